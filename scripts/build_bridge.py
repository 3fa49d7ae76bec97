"""Fit the bridge that is shipped, `assets/models/clipart-bridge`, on the sample pictures, and measure it.

    python -m scripts.build_bridge

Needs the packages of the starter models (requirements-models.txt). The same packages on the same machine give the same
files; another CPU may change the last bits.
"""

import argparse
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from workbench.encoders.bridging import FILE
from workbench.project import Project
from workbench.workflows.bridge import fit_bridge
from workbench.workflows.corpus import import_corpus
from workbench.workflows.demo import OPENCLIPART, SAMPLES

TARGET = Path(__file__).resolve().parent.parent / "assets" / "models" / "clipart-bridge"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TARGET)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = Project.create(Path(scratch) / "bridge")
        source = SAMPLES / OPENCLIPART.name / OPENCLIPART.documents
        import_corpus(project, OPENCLIPART.name, source, OPENCLIPART.spec)
        report = fit_bridge(project, "fitted", OPENCLIPART.name)
        folder = project.artifacts.get(report.model).folder
        shutil.rmtree(chosen.out, ignore_errors=True)
        chosen.out.mkdir(parents=True)
        for path in (*folder.glob("*.npy"), folder / FILE):
            shutil.copyfile(path, chosen.out / path.name)
        project.close()
    print(json.dumps(asdict(report), indent=1))
    size = sum(path.stat().st_size for path in chosen.out.iterdir())
    print(f"{chosen.out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
