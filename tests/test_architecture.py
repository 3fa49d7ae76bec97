"""The rules that are checked by reading the code: who imports whom, sizes, forbidden calls, a light UI start."""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("workbench/**/*.py"), *ROOT.glob("ui/**/*.py"), ROOT / "launch.py"])

CAPABILITIES = (
    "workbench.readers", "workbench.encoders", "workbench.indices", "workbench.rerankers", "workbench.fusion",
    "workbench.evaluation", "workbench.projections", "workbench.clusters", "workbench.mining", "workbench.exports",
    "workbench.agreement", "workbench.preferences", "workbench.hubness", "workbench.images",
    "workbench.encoder_measures", "workbench.neighbourhoods", "workbench.reductions", "workbench.significance",
    "workbench.false_negatives", "workbench.annotators", "workbench.variations",
)  # fmt: skip
STORAGE = (
    "workbench.project", "workbench.db", "workbench.artifacts", "workbench.runs", "workbench.locks",
    "workbench.corpora", "workbench.ingest", "workbench.filters", "workbench.query_sets", "workbench.subsets",
    "workbench.tags", "workbench.carrying", "workbench.label_sets", "workbench.judgments", "workbench.judging_log",
    "workbench.judged",
    "workbench.query_progress", "workbench.receipts",
)  # fmt: skip
BASICS = (
    "workbench.types",
    "workbench.specs",
    "workbench.errors",
    "workbench.registry",
    "workbench.vectors",
    "workbench.ragged",
)

THIRD_PARTIES = {
    "gradio": ("ui",),
    "plotly": ("ui",),
    "torch": (
        "workbench.checkpoints",
        "workbench.torch_models",
        "workbench.encoders",
        "workbench.rerankers",
        "workbench.training",
    ),
    "transformers": ("workbench.checkpoints", "workbench.encoders", "workbench.rerankers", "workbench.training"),
    "sentence_transformers": ("workbench.checkpoints", "workbench.encoders", "workbench.rerankers"),
    "faiss": ("workbench.indices", "workbench.clusters", "workbench.projections", "workbench.neighbourhoods"),
    "umap": ("workbench.projections",),
    "numba": ("workbench.projections",),
    "sklearn": ("workbench.projections", "workbench.clusters"),
    "sqlalchemy": (*STORAGE, "workbench.migrations", "workbench.workflows", "workbench.jobs"),
    "alembic": ("workbench.migrations",),
    "dbos": ("workbench.jobs",),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(place + ".") for place in places)


def allowed(module: str) -> tuple[str, ...] | None:
    """Our own modules that `module` may import; None = no rule."""
    shared = (
        *BASICS, "workbench.scoring", "workbench.checkpoints", "workbench.batching", "workbench.conversion",
        "workbench.catalogue", "workbench.torch_models", "workbench.images",
    )  # fmt: skip
    for capability in CAPABILITIES:
        if within(module, (capability,)):
            return (*shared, capability)
    if within(module, ("workbench.migrations",)):
        return ("workbench.errors", "workbench.migrations")
    if within(module, STORAGE):
        return (*BASICS, *STORAGE, "workbench.migrations", "workbench.__version__")
    if within(module, BASICS):
        return BASICS
    if within(module, ("workbench.workflows",)):
        return (
            *shared, *STORAGE, *CAPABILITIES, "workbench.workflows", "workbench.samples", "workbench.__version__"
        )  # fmt: skip
    if within(module, ("workbench.jobs",)):
        return (
            *BASICS,
            "workbench.workflows",
            "workbench.jobs",
            "workbench.project",
            "workbench.db",
            "workbench.locks",
        )
    if within(module, ("ui",)):
        return (
            "ui", "workbench.workflows", "workbench.jobs", "workbench.project", "workbench.specs", "workbench.types",
            "workbench.errors",
        )  # fmt: skip
    if module == "launch":
        return ("ui", "workbench.jobs", "workbench.errors", "workbench.project", "workbench.workflows.demo")
    return None


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_point_the_right_way(path):
    module, ours = module_name(path), ("workbench", "ui")
    rule = allowed(module)
    wrong = [name for name in imports(path) if within(name, ours) and rule is not None and not within(name, rule)]
    assert not wrong, f"{module} must not import {wrong}"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_third_parties_stay_in_their_places(path):
    module = module_name(path)
    wrong = [
        name
        for name in imports(path)
        if (places := THIRD_PARTIES.get(name.split(".")[0])) is not None and not within(module, places)
    ]
    assert not wrong, f"{module} must not import {wrong}"


def test_no_pickle_and_no_asserts_in_the_code():
    for path in SOURCES:
        names = {name.split(".")[0] for name in imports(path)}
        assert not names & {"pickle", "dill", "joblib", "shelve", "marshal"}, path
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno} asserts"
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, f"{path} allows pickle"


def test_files_stay_small():
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    too_long = {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 400}
    assert not too_long, f"over the cap of 400 lines: {too_long}"
    assert statistics.median(lengths.values()) <= 200


COMMANDS = (
    "__main__.py", "label_commands.py", "mining_command.py", "run_commands.py", "lab_commands.py",
    "lab_encoder_command.py", "test_set_commands.py",
)  # fmt: skip


def test_functions_take_few_arguments():
    faults = []
    for path in SOURCES:
        # The command line's functions take one argument an option.
        if path.name in COMMANDS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name != "__init__":
                count = len([arg for arg in node.args.args if arg.arg not in ("self", "cls")])
                if count > 7:
                    faults.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} takes {count}")
    assert not faults, faults


def test_ui_holds_no_state_in_modules():
    """Literal constants are fine; module-level dicts and lists that code could fill are not."""
    for path in ROOT.glob("ui/**/*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict | ast.List):
                filled = node.value.keys if isinstance(node.value, ast.Dict) else node.value.elts
                assert filled, f"{path}:{node.lineno} is an empty container at module level"


def test_the_app_starts_without_the_heavy_libraries(tmp_path):
    script = (
        "import sys, pathlib\n"
        "from workbench.jobs import JobService\n"
        "from ui.app import build_app\n"
        f"workspace = pathlib.Path({str(tmp_path)!r})\n"
        "build_app(workspace, jobs=JobService(workspace))\n"
        "heavy = ('torch', 'faiss', 'umap', 'numba', 'sklearn', 'transformers', 'bm25s', 'onnx')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
