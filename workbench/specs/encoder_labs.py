"""Settings of the encoder laboratory."""

from dataclasses import dataclass

from workbench.specs.base import Spec, knob


@dataclass(frozen=True)
class EncoderLabSpec(Spec):
    """What is measured of each encoder over a corpus; all samples are drawn by `seed`."""

    query_set: str = knob("", "Query set; empty: documents ask for their neighbours, and nothing is judged")
    queries: int = knob(500, "Most queries, those with judgments first", low=5, high=20_000)
    pairs: int = knob(5000, "Random pairs of a query and a document", low=100, high=100_000)
    sample: int = knob(1000, "Documents for uniformity", low=10, high=5000)
    timed: int = knob(128, "Documents encoded again for their speed; 0: no model is timed", low=0, high=10_000)
    rescore: int = knob(4, "Binary: so many times the wanted documents are rescored", low=1, high=100)
    prompt: bool = knob(True, "Measure without the query prompt too, for encoders that have one")
    seed: int = knob(0, "Seed of all samples; another one measures again", low=0, high=2**31 - 1)
