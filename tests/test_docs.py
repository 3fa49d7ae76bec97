"""Documentation that can fail: the names and paths it uses are real."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WORKFLOWS = {"home": (), "jobs": (), "laboratory": ("index_lab", "encoder_lab")}
PAGES = [ROOT / "README.md", ROOT / "docs/architecture.md", ROOT / "docs/extending.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_paths_exist(page):
    named = re.findall(
        r"`((?:workbench|ui|docs|assets|tests|benchmarks|scripts)/[\w./-]*\w/?|launch\.py)`", page.read_text()
    )
    assert named, f"{page.name} names no file"
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_every_plug_in_is_documented():
    from workbench.encoders import ENCODERS
    from workbench.exports import EXPORTS
    from workbench.indices import INDICES
    from workbench.readers import READERS
    from workbench.rerankers import RERANKERS

    text = (ROOT / "docs/extending.md").read_text()
    for registry in (READERS, ENCODERS, INDICES, RERANKERS, EXPORTS):
        for name in registry.names():
            assert f"`{name}`" in text, f"{registry.kind} {name} is not in docs/extending.md"


def test_every_page_is_documented_and_has_its_workflow():
    text = (ROOT / "docs/architecture.md").read_text()
    for page in sorted((ROOT / "ui/pages").glob("[a-z]*.py")):
        assert f"ui/pages/{page.name}" in text
        for workflow in WORKFLOWS.get(page.stem, (page.stem,)):
            assert (ROOT / "workbench/workflows" / f"{workflow}.py").exists()


def test_pictures_in_the_readme_exist():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)|<img[^>]+src=\"([^\"]+)\"", (ROOT / "README.md").read_text())
    assert pictures
    for first, second in pictures:
        assert (ROOT / (first or second)).exists()
