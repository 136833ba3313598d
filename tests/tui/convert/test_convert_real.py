"""The wizard with the real Olive: two marked precisions, converted, measured, and cancelled."""

import asyncio
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

from firstlight_core.paths import find_paths
from firstlight_core.session import Session
from firstlight_core.workflow.services import Services
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.convert.screen import ConvertStep
from firstlight_tui.steps.precision.screen import PrecisionStep
from tests.support.pilot import age
from tests.tui.convert.test_convert import text
from tests.tui.precision.test_precision import row, table

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.usefixtures("loaded_jobs")]
PATIENCE = 180.0


async def ended(pilot: Pilot[int], name: str) -> None:
    """Until the work is over and painted."""
    async with asyncio.timeout(PATIENCE):
        while pilot.app.workspace.works[name].running:  # type: ignore[attr-defined]
            await pilot.pause(0.1)
    await pilot.pause(0.2)


def sample_session(sample: Path) -> Session:
    return Session(source=str(sample), model=Services().inspect(sample))


async def test_two_marked_precisions_are_converted_and_the_table_shows_what_was_measured(
    sample: Path,
) -> None:
    app = WizardApp(session=sample_session(sample), first=PrecisionStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        # Two rows below the cursor's INT4 is INT4 compact.
        table(pilot).focus()
        await pilot.press("down", "space")
        assert app.workspace.session.precisions == ("int4", "int4-compact")
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert isinstance(app.screen, ConvertStep)
        await pilot.press("enter")
        await ended(pilot, "convert")
        assert app.workspace.works["convert"].error is None
        assert "✓ Done in" in text(pilot, "#work")
        log = Path(text(pilot, "#log-path").removeprefix("Log file: "))
        assert log.is_file() and log.parent == find_paths().logs
        folders = [Path(str(a["artifact"])) for a in app.workspace.session.artifacts]
        assert all((folder / "genai_config.json").is_file() for folder in folders)
        # Olive was loaded once.
        assert ["olive_load_seconds" in a for a in app.workspace.session.artifacts] == [True, False]
        await pilot.press("ctrl+o")
        await pilot.pause()
        for key, blocks in (("int4", [32, 128]), ("int4-compact", [128])):
            document = app.workspace.session.measured(key)
            assert document is not None and document["built"]["block_size"] == blocks
            size = document["bytes"] / 2**20
            assert row(pilot, key)["measured"] == f"{size:.3g}"
            # SPEC 4: sizes are estimated within 3 %.
            assert float(row(pilot, key)["bytes"]) == pytest.approx(size, rel=0.03)


async def test_cancel_ends_olive_within_a_second_and_leaves_nothing(sample: Path) -> None:
    session = sample_session(sample).decide(precisions=("int4",))
    app = WizardApp(session=session, first=ConvertStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        work = app.workspace.works["convert"]
        async with asyncio.timeout(PATIENCE):
            while work.pid is None or not work.stages:
                await pilot.pause(0.05)
        age(app, "convert", 5)
        begun = time.monotonic()
        await pilot.press("escape")
        await ended(pilot, "convert")
        assert work.status == "cancelled"
        assert work.ended is not None and work.ended - begun < 1.0
        assert "Stopped" in text(pilot, "#work")
        assert app.workspace.run_record is not None
        assert not [p for p in app.workspace.run_record.folder.rglob("*.onnx*")]
