"""Where models are, what they run on, and which ones are in memory. torch is imported only when it is needed."""

import hashlib
import importlib.util
import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.specs import EncodeSpec
from workbench.vectors import write_durably

T = TypeVar("T")
WEIGHTS = ("*.safetensors", "*.bin", "*/*.safetensors", "*/*.bin")
HASHED = {".json", ".safetensors", ".bin", ".txt", ".model", ".py"}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def cache_folder() -> Path:
    """Where converted models and file hashes are kept: WORKBENCH_CACHE, else ~/.cache/retrieval-workbench."""
    return Path(os.environ.get("WORKBENCH_CACHE") or Path.home() / ".cache" / "retrieval-workbench").expanduser()


@dataclass(frozen=True)
class Located:
    """A model's place: `source` is what a loader takes, `folder` its folder where it is on this machine already."""

    source: str
    folder: Path | None


def locate(model: str) -> Located:
    """Find a model: hub id, folder, `package:module/folder`, or `converted:name`.

    Raises `NotFound` with a sentence where the package, folder or weights are missing.
    """
    if not model.strip():
        raise BadInput("No model was named.", "Give a hub id, a folder, or a name from the catalogue.")
    kind, _, rest = model.partition(":")
    if kind == "package":
        folder = package_folder(*rest.split("/"))
    elif kind == "converted":
        from workbench.conversion import converted

        folder = converted(rest, cache_folder() / "models")
    else:
        folder = Path(model).expanduser()
        if not folder.is_dir():
            if HUB_ID.fullmatch(model):
                return Located(model, None)
            raise NotFound(
                f"There is no model folder “{model}”.", "Give an existing folder, or a hub id like org/name."
            )
    if not any(next(folder.glob(pattern), None) for pattern in WEIGHTS):
        raise NotFound(
            f"The folder {folder} holds no model weights.",
            "A model folder has a .safetensors or .bin file beside its config.json: download the model again.",
        )
    return Located(str(folder), folder)


def package_folder(module: str, *parts: str) -> Path:
    """A folder inside an installed package, found without importing it. Raises `NotFound`."""
    found = importlib.util.find_spec(module)
    places = list(found.submodule_search_locations or []) if found is not None else []
    if not places:
        raise NotFound(
            f"The package “{module}” that carries this model is not installed.",
            "Run the setup again (python launch.py), or choose another model.",
        )
    folder = Path(places[0], *parts)
    if not folder.is_dir():
        raise NotFound(f"The package “{module}” has no folder {'/'.join(parts)}.", "Install the pinned version again.")
    return folder


def folder_revision(folder: Path) -> str:
    """`sha256:` and 40 hex digits over the names and contents of a model's configuration and weight files."""
    digest = hashlib.sha256()
    known = _known_hashes()
    fresh = dict(known)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in HASHED and not path.name.startswith("."):
            stat = path.stat()
            # Reading gigabytes again on every start is not needed where neither size nor time has changed.
            key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
            fresh[key] = known.get(key) or file_hash(path)
            digest.update(f"{path.relative_to(folder).as_posix()}\0{fresh[key]}\n".encode())
    if fresh != known:
        target = cache_folder() / "hashes.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_durably(target, json.dumps(dict(list(fresh.items())[-5000:])).encode())
    return f"sha256:{digest.hexdigest()[:40]}"


def hub_snapshot(hub_id: str, revision: str | None = None) -> Path | None:
    """The hub cache's folder of a model that was fetched; it is named by the commit. None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    home = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    for name in ("modules.json", "config.json", "config_sentence_transformers.json"):
        found = try_to_load_from_cache(hub_id, name, cache_dir=home, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    return None


def found_revision(located: Located, folder: Path | None, asked: str | None) -> str:
    """A hash over the local files, else the hub's commit (the name of `folder`), else what was asked or "unknown"."""
    if located.folder is not None:
        return folder_revision(located.folder)
    return folder.name if folder is not None else asked or "unknown"


def file_hash(path: Path) -> str:
    """sha256 of a file's content, hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _known_hashes() -> dict[str, str]:
    try:
        return cast(dict[str, str], json.loads((cache_folder() / "hashes.json").read_text()))
    except (OSError, ValueError):
        return {}


def load_failure(model: str, error: Exception) -> WorkbenchError:
    """What to tell a person where loading `model` raised `error`."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if "trust_remote_code" in text:
        return BadInput(
            f"The model “{model}” brings its own code, which is not run.",
            "Switch trust_remote_code on for it if you trust where it comes from.",
        )
    if "gated" in text.lower() or name == "GatedRepoError":
        return BadInput(
            f"The model “{model}” is gated.", "Accept its licence on the hub and log in, or choose another."
        )
    if name in ("RepositoryNotFoundError", "RevisionNotFoundError"):
        return NotFound(f"The hub has no model “{model}” with that revision.", "Check the spelling.")
    if "out of memory" in text.lower() or "can't allocate memory" in text.lower():
        return WorkbenchError(
            f"The model “{model}” does not fit into the device's memory.",
            "Choose a smaller model, a lower precision, or the other device.",
        )
    if name == "SafetensorError":
        return BadInput(f"The weights of “{model}” are damaged: {text[:200]}.", "Download the model again.")
    if HUB_ID.fullmatch(model) and isinstance(error, OSError):
        return NotFound(
            f"The model “{model}” is not on this computer and could not be fetched.",
            "Check the network (and HF_HUB_OFFLINE), or give the folder of a copy.",
        )
    return BadInput(f"The model “{model}” could not be loaded: {name}: {text[:300]}")


def resolve_device(device: str) -> str:
    """`auto` becomes cuda where there is one. Raises `BadInput` for a device this machine does not have."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", device)
    if match is None:
        raise BadInput(f"There is no device “{device}”.", "Choose auto, cpu, cuda or cuda:N.")
    if device != "cpu":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(match[1] or 0) >= count:
            there = f"CUDA devices here: {count}." if count else "This machine has no CUDA device."
            raise BadInput(f"The device “{device}” is not available.", f"{there} Choose auto or cpu.")
    return device


@cache
def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; elsewhere it is far slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def resolve_dtype(dtype: str, device: str, stored: str = "float32") -> str:
    """The precision to run in: `auto` is the fastest that keeps cosine ≥ 0.9995. `stored`: that of the weights.

    On CUDA a model stored in bfloat16 stays so, as its values may exceed float16. Raises `BadInput` for float16 on a
    CPU, where it is slower than float32 by orders of magnitude.
    """
    if device == "cpu":
        if dtype == "float16":
            raise BadInput("float16 does not run on a CPU.", "Choose auto, float32 or bfloat16.")
        if dtype == "auto":
            return "bfloat16" if cpu_has_bfloat16() else "float32"
    elif dtype == "auto":
        return "bfloat16" if stored == "bfloat16" else "float16"
    return dtype


@dataclass(frozen=True)
class Loaded:
    """What `LoadedCache.contents` says of one entry."""

    key: Hashable
    bytes: int


class LoadedCache:
    """Loaded models and indices, the least recently used dropped beyond `limit` bytes. Safe under threads.

    A key is loaded once, under its own lock; the newest entry stays even where it alone exceeds the limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._loading: dict[Hashable, threading.Lock] = {}

    @property
    def limit(self) -> int:
        """Bytes. Where a lower one is set, what is too much leaves at once."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        with self._lock:
            self._limit = limit
            self._trim()

    def get(self, key: Hashable, load: Callable[[], T], size_of: Callable[[T], int]) -> T:
        """The value of `key`, from `load()` where it is not there yet; what `load` raises passes through."""
        found = self._find(key)
        if found is not None:
            return cast(T, found[0])
        with self._lock:
            gate = self._loading.setdefault(key, threading.Lock())
        with gate:
            try:
                found = self._find(key)
                if found is not None:
                    return cast(T, found[0])
                value = load()
                self._keep(key, value, size_of(value))
                return value
            finally:
                with self._lock:
                    self._loading.pop(key, None)

    def contents(self) -> list[Loaded]:
        """What is loaded, least recently used first."""
        with self._lock:
            return [Loaded(key, size) for key, (_, size) in self._entries.items()]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def drop(self, unwanted: Callable[[Hashable], bool]) -> int:
        """Drop every entry whose key is unwanted; returns their bytes."""
        with self._lock:
            gone = [key for key in self._entries if unwanted(key)]
            return sum(self._entries.pop(key)[1] for key in gone)

    def make_room(self, size: int) -> None:
        """Drop the least recently used entries until `size` bytes have left, or none is left."""
        with self._lock:
            while self._entries and size > 0:
                size -= self._entries.popitem(last=False)[1][1]

    def _find(self, key: Hashable) -> tuple[Any, int] | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def _keep(self, key: Hashable, value: Any, size: int) -> None:
        with self._lock:
            self._entries[key] = (value, size)
            self._trim()

    def _trim(self) -> None:
        """Call under the lock."""
        held = sum(size for _, size in self._entries.values())
        while len(self._entries) > 1 and held > self._limit:
            held -= self._entries.popitem(last=False)[1][1]


@cache
def loaded() -> LoadedCache:
    """The one cache of this process: WORKBENCH_LOADED_MB megabytes, 4096 unless told."""
    return LoadedCache(int(os.environ.get("WORKBENCH_LOADED_MB", "4096")) << 20)


def weight_bytes(folder: Path) -> int:
    """Bytes of the weight files in a model's folder; the larger form where it holds two (.safetensors and .bin)."""
    sizes = {".safetensors": 0, ".bin": 0}
    for path in {found for pattern in WEIGHTS for found in folder.glob(pattern)}:
        sizes[path.suffix] += path.stat().st_size
    return max(sizes.values())


def free_memory(device: str = "cpu") -> int | None:
    """Bytes that can still be had on a device; None where the system does not tell."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    try:
        told = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s*(\d+) kB", told, re.MULTILINE)
    return int(found[1]) << 10 if found else None


def check_memory(weights: Path | int, model: str, device: str = "cpu", times: float = 1.0) -> None:
    """Raise `WorkbenchError` where a model's weights are larger than the memory that is free.

    For every family to call before it loads: `weights` is the model's folder or their bytes, `model` its name for the
    sentence, `times` how much larger they become (2 where float16 files are opened as float32). What can be given up is
    given up first: models and indices that were loaded earlier leave, the least recently used first, as far as needed.
    """
    needed = int(times * (weight_bytes(weights) if isinstance(weights, Path) else weights))
    free = free_memory(device)
    if free is None or needed <= free:
        return
    if not device.startswith("cuda"):
        loaded().make_room(needed - free)
        free = free_memory(device) or 0
    if needed > free:
        raise WorkbenchError(
            f"The model “{model}” needs {needed / 2**30:.1f} GB, and {free / 2**30:.1f} GB of memory are free.",
            "Choose a smaller model, empty the memory (Jobs page), or close other programs.",
        )


def memory_ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, torch's on a GPU, or torch's allocator on a CPU."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
    )


def known_model_ids(folder: Path) -> list[str]:
    """What a model's files say it is: config `_name_or_path`, the hub cache's folder name, the base model of its card.

    Read from config.json itself, as transformers puts the path it loaded from in place of the name.
    """
    names = [part[8:].replace("--", "/") for part in folder.parts if part.startswith("models--")]
    config, card = folder / "config.json", folder / "README.md"
    if config.is_file():
        names.append(str(json.loads(config.read_text(encoding="utf-8")).get("_name_or_path") or ""))
    if card.is_file():
        names += re.findall(r"^base_model:\s*([\w./-]+)\s*$", card.read_text(errors="replace"), re.MULTILINE)
    return [name.rstrip("/") for name in names if name]


def load_pretrained(kind: str, spec: Any, located: Located, run: EncodeSpec) -> Any:
    """The model of `spec` by sentence-transformers' class `kind`, on the run's device.

    Read of the spec, of whatever family: `model`, `revision`, and `trust_remote_code` (off where it has none).
    Raises what `load_failure` makes of an error, `WorkbenchError` where there is no memory for it.
    """
    import sentence_transformers
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging

    device = resolve_device(run.device)
    folder = located.folder or hub_snapshot(spec.model, spec.revision)
    if folder is not None:
        check_memory(folder, spec.model, device)
    logging.disable_progress_bar()
    stored = device != "cpu" and run.dtype != "float32"
    try:
        return getattr(sentence_transformers, kind)(
            located.source,
            device=device,
            revision=spec.revision,
            trust_remote_code=getattr(spec, "trust_remote_code", False),
            local_files_only=located.folder is not None,
            model_kwargs={"dtype": "auto" if stored else torch.float32},
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, AttributeError, SafetensorError) as error:
        raise load_failure(spec.model, error) from error
