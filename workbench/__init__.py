"""Retrieval Workbench: load, encode, index, search and judge, as a library without a user interface."""

__version__ = "0.1.0"
