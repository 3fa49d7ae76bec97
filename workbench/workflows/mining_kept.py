"""What a corpus can be mined with, and which candidates are kept already: the same that a job would find or make."""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench import query_sets
from workbench.artifacts import Artifact
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import MiningSpec, PipelineSpec, RetrieverSpec
from workbench.workflows.dealing import candidates as pipelines_of
from workbench.workflows.mining_candidates import KIND, CandidateSet, Search
from workbench.workflows.mining_known import Groups, known_of
from workbench.workflows.mining_rescoring import depth_of
from workbench.workflows.mining_search import Miner, finder_of
from workbench.workflows.systems import TEXT, systems
from workbench.workflows.views import pipeline_key


@dataclass(frozen=True)
class MinerChoice:
    """A miner that can be chosen. `key` names it in an address: the encoder's name, or the pipeline's fingerprint.

    `output`: dense, sparse or multi of an encoder, empty for a pipeline; `reads_text`: whether text queries reach it.
    """

    key: str
    label: str
    miner: Miner
    output: str = ""
    reads_text: bool = True


def miner_choices(project: Project, corpus: str) -> list[MinerChoice]:
    """The encoders with an embedding that can be asked, then saved pipelines, other indices and a fusion.

    Raises `NotFound` on the corpus.
    """
    found: dict[str, MinerChoice] = {}
    for each in systems(project, corpus):
        if each.ready and each.encoder not in {known.miner for known in found.values()}:
            own = [pipeline_key(PipelineSpec((RetrieverSpec(each.encoder, name),))) for name in ("exact", each.index)]
            # A comma parts the miners of an address.
            key = own[0] if "," in each.encoder else each.encoder
            reads_text = bool(each.modalities & TEXT)
            found[own[1]] = MinerChoice(key, each.encoder, each.encoder, each.output, reads_text)
    for other in pipelines_of(project, corpus):
        found.setdefault(other.key, MinerChoice(other.key, other.name, other.pipeline))
    return list(found.values())


@dataclass(frozen=True)
class Kept:
    """The kept candidates of each miner, None where they have to be searched; `total` queries, `without` a positive.

    `missing` positives name documents that the corpus does not have. `needs`: where no query can be mined, why, and
    what to do.
    """

    artifacts: list[str | None]
    total: int
    without: int
    missing: int
    needs: tuple[str, str] | None = None

    @property
    def complete(self) -> bool:
        return bool(self.artifacts) and None not in self.artifacts

    @property
    def found(self) -> list[str]:
        return [each for each in self.artifacts if each is not None]


def kept_candidates(project: Project, query_set: str, spec: MiningSpec, miners: Sequence[Miner]) -> Kept:
    """Which candidates `find_candidates` would find there. Reads the judgments, loads no model and searches nothing.

    Those with near-duplicates measured come first. Raises `NotFound` on names, `BadInput` where the miners do not fit.
    """
    try:
        known = known_of(project, query_set, spec.label_sets)
    except BadInput as error:
        total = query_sets.find(project.db, query_set).queries
        return Kept([None] * len(miners), total, total, 0, (error.message, error.hint))
    finders = [finder_of(project, known.corpus, each) for each in miners]
    dense = next((each.dense for each in finders if each.dense is not None), None)
    groups = Groups(project, known.corpus, spec)
    artifacts: list[str | None] = []
    for finder in finders:
        base = None
        for near in (finder.dense or dense, None):
            base = base or Search(project, known, finder, spec, near, groups).found()
        found = _rescored(project, base, spec) if base and spec.reranker else base
        artifacts.append(found.id if found else None)
    return Kept(artifacts, known.total, known.without, known.missing)


def _rescored(project: Project, base: Artifact, spec: MiningSpec) -> Artifact | None:
    wanted = {"base": base.id, "reranker": spec.reranker, "rerank_depth": depth_of(CandidateSet(base), spec)}
    known = project.artifacts.list(KIND, corpus_id=base.corpus_id)
    return next((each for each in known if each.spec == wanted), None)
