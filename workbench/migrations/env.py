"""Alembic's entry point: the connection comes from `workbench.migrations.upgrade`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
