"""Fixtures that several test files share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_fixtures import make_tiny_bridge, make_tiny_clip, make_tiny_vit
from model_fixtures import make_tiny_m3, make_tiny_model, make_tiny_multi, make_tiny_sparse

from workbench.project import Project

# Both are read when a library is imported, so a fixture would come too late.
os.environ["HF_HUB_OFFLINE"] = "1"
# Tiny models gain nothing from threads, and lose much to them on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own, for converted models and file hashes."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random BERT encoder: 32 dimensions, mean pooling, 48 tokens, no prompts."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random SPLADE encoder."""
    return make_tiny_sparse(tmp_path_factory.mktemp("models") / "tiny-sparse")


@pytest.fixture(scope="session")
def tiny_multi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random late-interaction encoder: 8 dimensions, prompts, two skipped words."""
    return make_tiny_multi(tmp_path_factory.mktemp("models") / "tiny-multi")


@pytest.fixture(scope="session")
def tiny_m3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random XLM-R with BGE-M3's heads."""
    return make_tiny_m3(tmp_path_factory.mktemp("models") / "tiny-m3")


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random CLIP: 24 dimensions, texts of 16 tokens, images of 32 pixels."""
    return make_tiny_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random ViT without a text side: 32 dimensions."""
    return make_tiny_vit(tmp_path_factory.mktemp("models") / "vit")


@pytest.fixture(scope="session")
def tiny_bridge(tmp_path_factory: pytest.TempPathFactory, tiny_vit: Path, tiny_model: Path) -> Path:
    """The folder of a bridge between the tiny ViT and the tiny BERT."""
    return make_tiny_bridge(tmp_path_factory.mktemp("models") / "bridge", tiny_vit, tiny_model)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project."""
    made = Project.create(tmp_path / "projects" / "test")
    yield made
    made.close()
