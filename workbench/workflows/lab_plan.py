"""What an index laboratory will try: every line of trials read and checked before any work."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.specs import IndexLabSpec, IndexSpec, Trial, read_trials
from workbench.specs.labs import MOST_TRIALS
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import EXACT, HI2, fitting_spec, metric_of, terms_embedding


@dataclass(frozen=True)
class Refused:
    """A trial that cannot be made, with what was wrong and what to do."""

    trial: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Plan:
    """What a laboratory will do: the trials (the exact search first) and those that cannot be."""

    trials: list[Trial]
    refused: list[Refused]
    warnings: list[str]


def plan(project: Project, corpus: str, encoder: str, spec: IndexLabSpec) -> Plan:
    """What would be measured; nothing is built. Raises `NotFound` on names, `BadInput` on too many trials."""
    info = corpora.find(project.db, corpus)
    return planned(project, info, find_embedding(project, info, encoder), spec)


def planned(project: Project, info: CorpusInfo, embedding: Artifact, spec: IndexLabSpec) -> Plan:
    """Every line's trials, checked before any work. The exact search stands first, whoever asks for it."""
    from workbench.indices.knobs import curve, settings_for

    trials, refused, warnings = [Trial(EXACT)], [], []
    for line in spec.trials:
        if not line.strip() or line.strip() == EXACT:
            continue
        try:
            read = read_trials(line)
            fitting, told = fitting_spec(embedding, spec_of(embedding, read[0].factory))
            factory = fitting.factory
            if factory.startswith(HI2):
                terms_embedding(project, info)
            known = settings_for(factory)
            for name in read[0].settings:
                if name not in known:
                    hint = f"It takes {', '.join(known)}." if known else "It takes no search settings."
                    raise BadInput(f"{name} makes no difference to “{factory}”.", hint)
            if not read[0].settings:
                read = read_trials(" ".join([factory, *(f"{n}={listed(v)}" for n, v in curve(factory).items())]))
        except WorkbenchError as error:
            refused.append(Refused(line.strip(), error.message, error.hint))
            continue
        warnings += told
        trials += [new for each in read if (new := replace(each, factory=factory)) not in trials]
    if len(trials) - 1 > MOST_TRIALS:
        raise BadInput(f"These are {len(trials) - 1} trials.", f"Try at most {MOST_TRIALS} at once.")
    return Plan(trials, refused, list(dict.fromkeys(warnings)))


def listed(values: Sequence[int | float]) -> str:
    """Values as a line of trials writes them: “4,16,64”."""
    return ",".join(f"{value:g}" for value in values)


def spec_of(embedding: Artifact, factory: str) -> IndexSpec:
    return IndexSpec(factory=factory, metric=metric_of(embedding))
