"""Moved to `workbench.catalogue`; here until the last import is changed."""

from workbench.catalogue import CatalogueEntry, catalogue, folder_facts, known_model, read_catalogue, resolve_encoder

__all__ = ["CatalogueEntry", "catalogue", "folder_facts", "known_model", "read_catalogue", "resolve_encoder"]
