"""The precision table half filled with real measurements of a model, as a wizard to photograph.

`python screenshots/precision_scene.py [MODEL]` measures once more (convert, benchmark, quality; the sample takes about
a minute on a quiet machine) and writes `scenes/precision.json`; `precision_scene()` only reads that file.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from firstlight_core.documents.measure import DriftDocument, QualityDocument
from firstlight_core.monitor import History, Sample
from firstlight_core.paths import find_paths
from firstlight_core.session import Session
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.precision.screen import PrecisionStep

SCENE = Path(__file__).with_name("scenes") / "precision.json"
MEASURED = ("int8", "int4", "int4-compact")
SAMPLE_MARK, ARTIFACTS_MARK = "{sample}", "{artifacts}"
GIB = 2**30


def precision_scene() -> WizardApp:
    """The wizard on the precision step: three rows measured, three still estimated."""
    text = SCENE.read_text("utf-8")
    here = json.loads(
        text.replace(SAMPLE_MARK, find_paths().sample.as_posix()).replace(
            ARTIFACTS_MARK, "artifacts"
        )
    )
    steady = Sample(cpu=12.0, memory_used=6 * GIB, memory_total=16 * GIB, disk_free=80 * GIB)
    return WizardApp(
        session=Session.from_json(here),
        first=PrecisionStep,
        history=History(read=lambda: steady),
        sample_every=3600.0,
    )


async def measure(model: Path, folder: Path) -> Any:
    """Convert a model to three precisions, measure speed and drift; the session as JSON."""
    from firstlight_core.conversion.convert import convert_many
    from firstlight_core.estimate.estimates import estimates
    from firstlight_core.measure.benchmark import benchmark
    from firstlight_core.measure.quality import check_quality
    from firstlight_core.model.inspection import inspect_model

    inspection = inspect_model(model)
    outputs = {key: folder / key for key in MEASURED}
    made = await convert_many(model, outputs)
    speeds = await benchmark([str(path) for path in outputs.values()])
    drifts: list[QualityDocument] = []
    for path in outputs.values():
        quality = await check_quality(str(path), reference=str(model))
        drift: DriftDocument = {**quality["drift"], "worst": []}
        figures: QualityDocument = {**quality, "drift": drift, "checks": [], "answers": []}
        drifts.append(figures)
    session = Session(
        source=str(model),
        model={**inspection.to_json(), "estimates": estimates(inspection)},
        precisions=("int4", "int4-compact"),
        artifacts=tuple(made["results"]),
        artifact=str(outputs["int4"]),
        benchmark=speeds,
        quality={"kind": "qualities", "ok": True, "artifacts": drifts},
    )
    return session.to_json()


def write(session: Any, model: Path, folder: Path) -> None:
    """Write the scene without a path of this machine.

    Raises:
        ValueError: one is still in it.
    """
    for document in session["artifacts"]:
        document["command"] = []
    text = json.dumps(session, indent=1, allow_nan=False)
    text = text.replace(str(folder), ARTIFACTS_MARK)
    text = text.replace(str(find_paths().sample), SAMPLE_MARK)
    text = text.replace(str(model), f"models/{model.name}")
    for private in (str(Path.home()), str(Path.cwd()), tempfile.gettempdir()):
        if private in text:
            raise ValueError(f"the scene still names {private}")
    SCENE.parent.mkdir(exist_ok=True)
    SCENE.write_text(text + "\n", "utf-8")


def main() -> int:
    """Measure and write; 1 when the machine was too busy for the speeds to count."""
    with tempfile.TemporaryDirectory() as name:
        model = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else find_paths().sample
        session = asyncio.run(measure(model, Path(name)))
        write(session, model, Path(name))
    for note in session["benchmark"]["notes"]:
        print(note)
    return int(session["benchmark"]["void"])


if __name__ == "__main__":
    sys.exit(main())
