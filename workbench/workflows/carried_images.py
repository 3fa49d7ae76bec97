"""The images that an export names: where they stand, or copied into a folder beside it."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.project import Project


class CarriedImages:
    """Turns stored images into paths relative to the file that names them; `count` different ones so far."""

    def __init__(self, media: Path, base: Path, folder: Path | None) -> None:
        self.made: list[Path] = []
        self._media = media
        self._base = base
        self._folder = folder
        self._known: dict[str, str] = {}

    @property
    def count(self) -> int:
        return len(self._known)

    def placed(self, image: str | None) -> str | None:
        """The path to write for an image (relative to `media/`), copied first where that was asked."""
        if not image:
            return None
        if image not in self._known:
            source = self._media / image
            target = source if self._folder is None else self._folder / source.name
            if self._folder is not None and not target.exists():
                self._copy(source, target)
            self._known[image] = Path(os.path.relpath(target, self._base)).as_posix()
        return self._known[image]

    def _copy(self, source: Path, target: Path) -> None:
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source, aside)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
        self.made.append(target)

    def discard(self) -> None:
        """Remove what was copied, and its folder where nothing else is in it."""
        for path in self.made:
            path.unlink(missing_ok=True)
        if self._folder is not None and self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()


class NoImages(CarriedImages):
    """Names none."""

    def placed(self, image: str | None) -> str | None:
        return None


class ShownImages(CarriedImages):
    """Names them as a copy would, and copies none."""

    def _copy(self, source: Path, target: Path) -> None:
        pass


@contextmanager
def carried_images(
    project: Project, path: Path, how: str, *, in_folder: bool, dry: bool = False
) -> Iterator[CarriedImages]:
    """Images for an export to `path`: "none", "reference" (where the project keeps them) or "copy".

    Copies go to `images/` in a folder of files, to `<name>.images/` beside a file; names are hashes of contents, so one
    that is there already is the same. `dry` names them without copying. Where the block fails, what was copied is
    removed. Raises `WorkbenchError` where the disk refuses.
    """
    base = path if in_folder else path.parent
    folder = path / "images" if in_folder else path.with_name(f"{path.stem}.images")
    kind = NoImages if how == "none" else ShownImages if dry else CarriedImages
    images = kind(project.media.resolve(), base.resolve(), folder.resolve() if how == "copy" else None)
    try:
        yield images
    except BaseException as error:
        images.discard()
        if isinstance(error, OSError):
            raise WorkbenchError(
                f"The images of {path.name} could not be copied: {error.strerror or error}.", "Make room, or name them."
            ) from error
        raise
