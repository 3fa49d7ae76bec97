"""A BEIR-shaped folder of texts about three topics, imported and encoded with BM25: what runs and evaluations need."""

import json
from pathlib import Path

import numpy as np

from workbench.project import Project
from workbench.specs import BM25Spec, FusionSpec, PipelineSpec, RetrieverSpec
from workbench.workflows.corpus import import_corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.queries import import_queries

WORDS = ("music", "water", "bread", "river", "stone", "light", "green", "house")
BM25 = PipelineSpec((RetrieverSpec("bm25"),))
BOTH = PipelineSpec((RetrieverSpec("bm25"), RetrieverSpec("flat")), FusionSpec("rrf"), depth=20)


def write_beir(folder: Path, documents: int = 80, queries: int = 12) -> dict[str, dict[str, int]]:
    """Write the folder; returns its qrels. Query i asks for two words, graded by how often a document has them."""
    random = np.random.default_rng(7)
    folder.mkdir(parents=True)
    texts = [" ".join(random.choice(WORDS, random.integers(3, 12))) for _ in range(documents)]
    with (folder / "corpus.jsonl").open("w") as file:
        for n, text in enumerate(texts):
            row = {"_id": f"d{n}", "title": f"Title {n}", "text": text, "part_of": f"p{n // 4}", "kind": f"k{n % 2}"}
            file.write(json.dumps(row) + "\n")
    qrels: dict[str, dict[str, int]] = {}
    with (folder / "queries.jsonl").open("w") as file:
        for n in range(queries):
            first, second = random.choice(WORDS, 2, replace=False)
            words = [first, second] if n % 3 else [first, second, "and", "some", "more"]
            file.write(json.dumps({"_id": f"q{n}", "text": " ".join(words)}) + "\n")
            graded = {f"d{i}": int(first in text) + int(second in text) for i, text in enumerate(texts)}
            some = [doc for doc in graded if random.random() < 0.3]
            qrels[f"q{n}"] = {doc: graded[doc] for doc in some}
    (folder / "qrels").mkdir()
    lines = [f"{q}\t{d}\t{g}\n" for q, judged in qrels.items() for d, g in judged.items()]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return qrels


def beir_project(folder: Path, documents: int = 80, queries: int = 12) -> tuple[Project, dict[str, dict[str, int]]]:
    """(a project with the corpus “words”, its query set “asked”, embeddings “bm25” and “flat”; the qrels)."""
    qrels = write_beir(folder / "beir", documents, queries)
    project = Project.create(folder / "projects" / "p")
    import_corpus(project, "words", folder / "beir")
    import_queries(project, "asked", folder / "beir", "words")
    encode_corpus(project, "words", "bm25")
    encode_corpus(project, "words", BM25Spec(name="flat", k1=0.2, b=0.0).to_dict())
    return project, qrels
