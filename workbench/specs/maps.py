"""Settings of a map: how vectors become two dimensions and how their clusters are found."""

import re
from dataclasses import dataclass

from workbench.errors import BadInput
from workbench.specs.base import Spec, knob

ALIGNED = "map:"
"""Start of an `init` that names another map, whose layout this one starts from."""
INITS = ("pca", "spectral")
MAP_ID = re.compile(r"[0-9a-zA-Z_-]{1,64}")


@dataclass(frozen=True)
class MapSpec(Spec):
    """How a map is made. The metric is the embedding's own; none in an optional field = from the number of points."""

    method: str = knob("umap", "How vectors become two dimensions", choices=("umap", "pca"))
    neighbors: int = knob(15, "True neighbours each document is drawn to", low=2, high=200)
    min_dist: float = knob(0.1, "How close points may lie: small shows clumps, large spreads them", low=0.0, high=0.99)
    epochs: int | None = knob(None, "Rounds of the optimiser; none: from the number of points", low=1, high=5000)
    seed: int = knob(0, "Same seed, same map", low=0, high=2**31 - 1)
    init: str = knob(
        "pca",
        "Where points start: pca, spectral (one step: a cancel waits for it), or map:ID to align with another",
        advanced=True,
    )
    clusters: str = knob(
        "auto",
        "auto: hdbscan (one step: a cancel waits for it), k-means for many documents; none: no clusters",
        choices=("auto", "hdbscan", "kmeans", "none"),
    )
    cluster_count: int | None = knob(
        None, "k-means: number of clusters; none: from the number of points", low=1, high=10_000
    )
    min_cluster_size: int | None = knob(
        None, "hdbscan: fewest documents in a cluster; none: from the number of points", low=2, high=1_000_000
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init not in INITS and not self.aligned_with:
            raise BadInput(f"MapSpec.init is “{self.init}”.", "Choose pca, spectral, or map:ID of another map.")

    @property
    def aligned_with(self) -> str:
        """Id of the map this one starts from; empty where it starts by itself."""
        name = self.init.removeprefix(ALIGNED)
        return name if name != self.init and MAP_ID.fullmatch(name) else ""
