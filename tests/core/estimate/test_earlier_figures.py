"""The measured columns come back from the history: for the same artifact, machine and template only."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.manifest import write_manifest
from firstlight_core.estimate.earlier_figures import earlier_figures, merged_figures
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.history.records import (
    bench_records,
    conversion_records,
    new_document,
    quality_records,
)
from firstlight_core.history.store import HistoryStore
from firstlight_core.measure.benchmark import machine
from tests.support.documents import converted
from tests.support.measured_documents import (
    bench_document,
    bench_result,
    drift_document,
    quality_document,
)
from tests.support.tiny_models import tiny_genai

SOURCE = "sha256:source"


class Measured:
    """An artifact on the disk, and its measurements in the history."""

    def __init__(self, folder: Path) -> None:
        self.store = HistoryStore()
        self.folder = tiny_genai(folder)
        source = {"path": "/models/source", "fingerprint": SOURCE}
        write_manifest(self.folder, {"precision": "int4", "source": source})  # type: ignore[typeddict-item]

    def keep(self, kind: Any, document: Any, records: Any, **changes: Any) -> None:
        new = new_document(kind, document, records, machine())
        self.store.add(replace(new, **changes))

    def convert(self, **changes: Any) -> None:
        document = converted(
            "int4",
            str(self.folder),
            bytes=1_740_000,
            seconds=14.2,
            source={"path": "/models/source", "fingerprint": SOURCE},
        )
        self.keep("conversion", document, conversion_records([document]), **changes)

    def bench(self, *, void: bool = False, **changes: Any) -> None:
        other = bench_result("/models/other", precision="int8")
        own = bench_result(str(self.folder), precision="int4")
        document = bench_document(other, own, void=void)
        self.keep("bench", document, bench_records(document)[1:], **changes)

    def check(self) -> None:
        document = quality_document(
            str(self.folder),
            drift=drift_document(
                top1_agreement=0.99, kl_mean=0.01, kl_p95=0.03, perplexity_ratio=1.01, tokens=512
            ),
        )
        self.keep("quality", document, quality_records(document))


@pytest.fixture
def measured(tmp_path: Path) -> Measured:
    return Measured(tmp_path / "int4")


def test_all_figures_come_back_with_their_date(measured: Measured) -> None:
    measured.convert(recorded_at="2026-11-01T00:00:00+00:00")
    measured.bench(recorded_at="2026-11-02T00:00:00+00:00")
    measured.check()
    figures = earlier_figures(SOURCE)["int4"]
    assert (figures.bytes, figures.seconds) == (1_740_000, 14.2)
    assert (figures.decode_tps, figures.kl_mean, figures.usable) == (410.0, 0.01, True)
    assert figures.measured_at == "2026-11-02T00:00:00+00:00"
    assert figures.artifact == str(measured.folder)
    assert earlier_figures("sha256:another") == {}


def test_a_rebuilt_or_removed_artifact_has_none(measured: Measured) -> None:
    measured.convert()
    measured.bench()
    config = measured.folder / "genai_config.json"
    text = config.read_text()
    config.write_text(text.replace('"context_length": 128', '"context_length": 64'))
    assert earlier_figures(SOURCE) == {}
    config.write_text(text)
    assert set(earlier_figures(SOURCE)) == {"int4"}
    config.unlink()
    assert earlier_figures(SOURCE) == {}


def test_speeds_of_another_machine_and_void_ones_stay_away(measured: Measured) -> None:
    measured.convert()
    measured.bench(machine_fingerprint="another")
    measured.bench(void=True)
    figures = earlier_figures(SOURCE)["int4"]
    assert figures.seconds == 14.2 and figures.decode_tps is None


def test_quality_under_another_template_stays_away(measured: Measured) -> None:
    measured.check()
    assert earlier_figures(SOURCE)["int4"].kl_mean == 0.01
    (measured.folder / "inference_model.json").write_text("{}")
    assert earlier_figures(SOURCE)["int4"].kl_mean is None


def test_a_damaged_history_has_none(measured: Measured) -> None:
    measured.convert()
    measured.store.path.write_bytes(b"rubbish" * 1000)
    assert earlier_figures(SOURCE) == {}


NOW = Figures(precision="int4", artifact="/out/int4", bytes=10, seconds=1.5)
BEFORE = replace(
    NOW, decode_tps=400.0, load_s=0.2, kl_mean=0.01, usable=True, measured_at="2026-11-02"
)


def test_this_run_comes_first_and_is_completed() -> None:
    assert merged_figures({}, {"int4": BEFORE}) == {"int4": BEFORE}
    assert merged_figures({"int4": NOW}, {"int4": BEFORE}) == {"int4": BEFORE}
    faster = replace(NOW, decode_tps=500.0)
    merged = merged_figures({"int4": faster}, {"int4": BEFORE})["int4"]
    assert (merged.decode_tps, merged.kl_mean, merged.load_s) == (500.0, 0.01, None)
    checked = replace(NOW, usable=False, kl_mean=2.0)
    merged = merged_figures({"int4": checked}, {"int4": BEFORE})["int4"]
    assert (merged.decode_tps, merged.kl_mean, merged.usable) == (400.0, 2.0, False)


def test_figures_of_another_conversion_are_not_mixed_in() -> None:
    anew = replace(NOW, seconds=1.6)
    assert merged_figures({"int4": anew}, {"int4": BEFORE}) == {"int4": anew}
