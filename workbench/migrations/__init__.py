"""The schema's steps, run by Alembic without an ini file."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from workbench.errors import WorkbenchError


def upgrade(connection: Connection) -> None:
    """Bring the database to this version inside the caller's write transaction.

    Raises `WorkbenchError` where the database was written by a newer version of the workbench.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return
    if current is not None and current not in {step.revision for step in scripts.walk_revisions()}:
        raise WorkbenchError(
            f"This project was written by a newer version of the workbench (schema {current}; this one knows {head}).",
            "Update the workbench, then open the project again.",
        )
    with EnvironmentContext(config, scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)):
        config.attributes["connection"] = connection
        scripts.run_env()
