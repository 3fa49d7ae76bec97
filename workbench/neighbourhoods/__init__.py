"""The true neighbours of documents, and what follows from them. FAISS is imported only where a graph is made."""

from workbench.neighbourhoods.graphs import distances_between, nearest, neighbour_graph
from workbench.neighbourhoods.growing import grown_graph, nearest_among
from workbench.neighbourhoods.statistics import (
    TINY,
    duplicate_groups,
    label_disagreement,
    neighbour_overlap,
    occurrences,
    outlierness,
)
from workbench.types import Graph

__all__ = [
    "TINY",
    "Graph",
    "distances_between",
    "duplicate_groups",
    "grown_graph",
    "label_disagreement",
    "nearest",
    "nearest_among",
    "neighbour_graph",
    "neighbour_overlap",
    "occurrences",
    "outlierness",
]
