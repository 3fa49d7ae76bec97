"""What stays loaded: a limit that can be set and is kept, what leaves, and models that do not fit at all."""

import json
import threading

import pytest

from workbench import checkpoints
from workbench.checkpoints import LoadedCache, check_memory, free_memory, loaded, memory_ran_out, weight_bytes
from workbench.errors import BadInput, WorkbenchError
from workbench.specs import DenseSpec, EncodeSpec
from workbench.workflows.memory import (
    apply_settings,
    empty_memory,
    in_memory,
    memory_limit,
    room_for,
    set_memory_limit,
    settings_file,
)

GB = 1 << 30


@pytest.fixture(autouse=True)
def own_limit():
    before = loaded().limit
    loaded().clear()
    yield
    loaded().clear()
    loaded().limit = before


def keep(name: str, size: int) -> str:
    return loaded().get((name, "model"), lambda: name, lambda _: size)


def names() -> list[str]:
    return [entry.key[0] for entry in loaded().contents()]


def test_a_limit_is_kept_for_the_next_start(tmp_path):
    set_memory_limit(tmp_path, 512)
    assert memory_limit() == 512 and loaded().limit == 512 << 20
    assert json.loads(settings_file(tmp_path).read_text()) == {"memory_mb": 512}
    loaded().limit = 7 << 20
    apply_settings(tmp_path)
    assert memory_limit() == 512


def test_other_settings_stay(tmp_path):
    settings_file(tmp_path).parent.mkdir()
    settings_file(tmp_path).write_text('{"other": [1]}')
    set_memory_limit(tmp_path, 100)
    assert json.loads(settings_file(tmp_path).read_text()) == {"other": [1], "memory_mb": 100}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"memory_mb": "many"}', '{"memory_mb": -5}', '{"memory_mb": true}'])
def test_damaged_settings_do_not_keep_the_app_from_starting(tmp_path, text):
    settings_file(tmp_path).parent.mkdir()
    settings_file(tmp_path).write_text(text)
    before = memory_limit()
    apply_settings(tmp_path)
    apply_settings(tmp_path / "nowhere")
    assert memory_limit() == before


@pytest.mark.parametrize("mb", [0, 63, -1, True, 1e12, "512"])
def test_a_useless_limit_is_refused(tmp_path, mb):
    with pytest.raises(BadInput, match="memory limit"):
        set_memory_limit(tmp_path, mb)
    assert not settings_file(tmp_path).exists()


def test_the_least_recently_used_leaves_at_once(tmp_path):
    for name in ("a", "b", "c"):
        keep(name, 60 << 20)
    keep("a", 0)
    set_memory_limit(tmp_path, 130)
    assert names() == ["c", "a"]
    set_memory_limit(tmp_path, 64)
    assert names() == ["a"] and in_memory() == [("a · model", 60 << 20)]
    assert empty_memory() == 60 << 20 and names() == []


def test_dropping_by_key():
    for name in ("a", "b", "c"):
        keep(name, 5)
    assert loaded().drop(lambda key: key[0] != "b") == 10 and names() == ["b"]


def test_a_load_that_fails_can_be_tried_again():
    cache, tries = LoadedCache(100), []

    def load() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("not yet")
        return "there"

    for _ in range(2):
        with pytest.raises(OSError, match="not yet"):
            cache.get("key", load, len)
    threads = [threading.Thread(target=lambda: cache.get("key", load, len)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 3 and not cache._loading


# ── what does not fit ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_weights_of_a_folder_are_counted_once(tmp_path):
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    (tmp_path / "2_Dense" / "model.safetensors").write_bytes(b"x" * 10)
    (tmp_path / "pytorch_model.bin").write_bytes(b"x" * 105)
    assert weight_bytes(tmp_path) == 110
    assert weight_bytes(tmp_path / "2_Dense") == 10


def test_the_memory_of_this_machine_is_known():
    assert 0 < free_memory() < 1 << 50


def test_a_model_larger_than_the_memory_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "free_memory", lambda device="cpu": 2 * GB)
    check_memory(2 * GB, "small")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    check_memory(tmp_path, "tiny")
    with pytest.raises(WorkbenchError, match=r"“large” needs 5\.0 GB, and 2\.0 GB of memory are free.*smaller model"):
        check_memory(5 * GB, "large")
    with pytest.raises(WorkbenchError, match=r"needs 4\.0 GB"):
        check_memory(2 * GB, "half", times=2)
    monkeypatch.setattr(checkpoints, "free_memory", lambda device="cpu": None)
    check_memory(1 << 60, "who knows")


def test_what_was_loaded_leaves_for_a_model_that_needs_the_room(monkeypatch):
    def free(device: str = "cpu") -> int:
        return 10 * GB - sum(entry.bytes for entry in loaded().contents())

    monkeypatch.setattr(checkpoints, "free_memory", free)
    loaded().limit = 100 * GB
    for name in ("a", "b", "c"):
        keep(name, 2 * GB - 1)
    check_memory(4 * GB, "fits")
    assert names() == ["a", "b", "c"]
    check_memory(7 * GB, "fits, once a and b are gone")
    assert names() == ["c"]
    with pytest.raises(WorkbenchError, match="needs 11"):
        check_memory(11 * GB, "never fits")


def test_the_dense_encoder_asks_before_it_loads(monkeypatch, tiny_model):
    from workbench.encoders.dense import DenseEncoder

    monkeypatch.setattr(checkpoints, "free_memory", lambda device="cpu": 10)
    with pytest.raises(WorkbenchError, match="of memory are free"):
        DenseEncoder.open(DenseSpec(model=str(tiny_model)), EncodeSpec(device="cpu"))


@pytest.mark.parametrize(
    ("error", "ran_out"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, ran_out):
    assert memory_ran_out(error) == ran_out
    keep("model", 5)
    with pytest.raises(WorkbenchError if ran_out else type(error)), room_for("it", lambda key: True):
        raise error
    assert names() == ([] if ran_out else ["model"])
