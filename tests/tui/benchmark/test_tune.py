"""Tuning in the wizard: opened from the benchmark, run, looked at, kept."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, DataTable, Input

from firstlight_core.documents.tuning import (
    PeerFigures,
    PublishedTuningDocument,
    Speedup,
    StoppedTuningDocument,
    ThreadSettings,
    TrialRow,
    TunedArtifactDocument,
    TuneFigures,
    TuneStage,
)
from firstlight_core.errors import StateProblem
from firstlight_core.measure.metrics import figure
from firstlight_core.process.events import Progress, Remaining, Stage
from firstlight_core.session import Session
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.steps.benchmark.tune_screen import TuneScreen
from firstlight_tui.widgets import ProblemPanel, Words, WorkView
from tests.support.pilot import Build, age, settle, until
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services


def row(
    label: str, total: float, settings: ThreadSettings, stage: TuneStage = "threads"
) -> TrialRow:
    return {
        "stage": stage,
        "label": label,
        "settings": settings,
        "rounds": 3,
        "total_s": figure([total] * 3),
        "prefill_tps": figure([100 / total] * 3),
        "decode_tps": figure([10 / total] * 3),
    }


OWN: ThreadSettings = {"intra_op_num_threads": None, "spin_us": None}
ONE: ThreadSettings = {"intra_op_num_threads": 1, "spin_us": None}
TWO: ThreadSettings = {"intra_op_num_threads": 2, "spin_us": 20}
FASTER: Speedup = {
    "answer": figure([1.2, 1.25, 1.3]),
    "decode": figure([1.2, 1.25, 1.3]),
    "prefill": figure([1.2, 1.25, 1.3]),
}
FIGURES: TuneFigures = {
    "trials": [
        row("2 threads, awake 20 µs", 0.8, TWO),
        {**row("1 thread", 2.0, ONE), "dropped": True},
    ],
    "baseline": row("threads as Olive leaves them", 1.0, OWN, "comparison"),
    "best": {**row("2 threads, awake 20 µs", 0.8, TWO, "comparison"), "faster": FASTER},
    "machine": {"cpu": "A processor", "cores": 2, "threads": 2, "versions": {}},
    "prompt_tokens": 256,
    "new_tokens": 64,
    "repeats": 3,
    "notes": [],
    "void": False,
}
THREADS: TunedArtifactDocument = {
    "kind": "artifact",
    **FIGURES,
    "artifact": str(FULL.artifact),
    "applied": False,
}
STOPPED: StoppedTuningDocument = {
    "kind": "stopped",
    "target": str(FULL.artifact),
    "trials": [],
    "machine": FIGURES["machine"],
    "prompt_tokens": 256,
    "new_tokens": 64,
    "repeats": 3,
    "builds": [],
    "kept": {"builds": 0, "measurements": 1},
    "notes": ["Kept: 1 measurement. The same tuning goes on with that."],
}
PEER: PeerFigures = {
    "name": "llama.cpp",
    "program": "/usr/bin/llama-bench",
    "version": "b11434",
    "model": "/models/tiny.gguf",
    "label": "llama 135M Q4_0",
    "threads": 2,
    "total_s": figure([1.0]),
    "decode_tps": figure([10.0]),
    "prefill_tps": figure([100.0]),
    "by_length": [],
    "gain": {
        "answer": {"ratio": 1.25, "interval": [1.2, 1.3]},
        "decode": {"ratio": 1.25, "interval": [1.2, 1.3]},
        "prefill": {"ratio": 1.0, "interval": [0.9, 1.1]},
        "level": 0.98,
    },
}
BUILD: PublishedTuningDocument = {
    "kind": "published",
    **FIGURES,
    "source": str(FULL.source),
    "precision": "int4",
    "prompts": "sample",
    "artifact": "/models/out/int4-tuned",
    "builds": [
        {"label": "INT4", "settings": {"precision": "int4"}},
        {
            "label": "INT4, blocks of 128",
            "settings": {"precision": "int4", "block_size": 128},
            "excluded": "drifts further than 1 nats",
        },
    ],
    "max_drift": {"kl_mean": 1.0, "why": "as you asked"},
}


class Tuner:
    """Tuning that answers at once, or when it is let go."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.go = asyncio.Event()
        self.go.set()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.applied: list[Path] = []
        self.refuse = False
        self.part = STOPPED

    async def tune(
        self, what: str, *, on_event: Any, started: Any, on_stopped: Any, **options: Any
    ) -> Any:
        self.calls.append((what, options))
        on_event(Stage("race", "Measuring 2 settings in turns"))
        on_event(Progress(1, 8, "measurements"))
        on_event(Remaining(0, 3, 7, 42.0))
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            on_stopped(self.part)
            raise
        return self.document

    def keep(self, artifact: Path, document: Mapping[str, Any]) -> None:
        if self.refuse:
            raise StateProblem("The disk is full.", hint="Free some space.")
        assert document == self.document
        self.applied.append(artifact)


def build_with(wizard: Build, called: Called, tuner: Tuner, session: Session = FULL) -> WizardApp:
    services = fake_services(called, tune=tuner.tune, keep_tuned=tuner.keep)
    return wizard(session=session, first=BenchmarkStep, services=services)


async def press(pilot: Pilot[Any], button: str) -> None:
    pilot.app.screen.query_one(button, Button).press()
    await settle(pilot)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_threads_are_tuned_by_keys_and_kept(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    tuner = Tuner(THREADS)
    app = build_with(wizard, called, tuner)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, TuneScreen)
        assert screen.query_one("#keep").disabled
        await pilot.press("enter")
        await settle(pilot)
        assert tuner.calls == [(FULL.artifact, {"prompt_tokens": [256]})]
        table = screen.query_one("#trials", DataTable)
        rows_shown = ["".join(str(c) for c in table.get_row_at(i)) for i in range(table.row_count)]
        assert len(rows_shown) == 4
        assert rows_shown[1].startswith("1 thread")
        assert rows_shown[3].startswith("Best: 2 threads")
        assert "1.25 × (1.20 to 1.30)" in str(screen.query_one("#verdict", Words).content)
        await press(pilot, "#keep")
        assert tuner.applied == [Path(str(FULL.artifact))]
        assert isinstance(app.screen, BenchmarkStep)
        # The figures of before are not those of the tuned artifact.
        assert app.workspace.session.benchmark is None
        assert app.workspace.session.artifact == FULL.artifact
        assert app.workspace.session.template == FULL.template


@pytest.mark.slow
async def test_a_tuned_build_becomes_the_artifact(wizard: Build, called: Called) -> None:
    tuner = Tuner(BUILD)
    app = build_with(wizard, called, tuner)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        await press(pilot, "#build")
        ((what, options),) = tuner.calls
        assert what == FULL.source
        assert options == {
            "precision": "int4",
            "drift_budget": None,
            "prompt_tokens": [256],
            "output": Path("/models/out/int4-tuned"),
        }
        text = str(app.screen.query_one("#verdict", Words).content)
        assert "Left out: INT4, blocks of 128, drifts further than 1 nats." in text
        await press(pilot, "#keep")
        assert app.workspace.session.artifact == "/models/out/int4-tuned"
        assert (app.workspace.session.template, app.workspace.session.benchmark) == (None, None)
        assert not tuner.applied


@pytest.mark.slow
async def test_it_goes_on_behind_other_screens_and_stops_when_asked(
    wizard: Build, called: Called
) -> None:
    tuner = Tuner(THREADS)
    tuner.go.clear()
    app = build_with(wizard, called, tuner)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        app.screen.query_one("#threads", Button).press()
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, BenchmarkStep)
        assert [work.name for work in app.workspace.busy] == ["tune"]
        work = app.workspace.busy[0]
        assert "go on" in work.keeps or "goes on" in work.keeps
        await pilot.press("t")
        await pilot.pause()
        assert str(app.screen.query_one("#close", Button).label) == "Stop"
        age(app, "tune", 5)
        app.screen.query_one("#close", Button).press()
        await pilot.pause()
        assert app.workspace.busy == []
        assert isinstance(app.screen, TuneScreen)
        assert not app.screen.query_one("#threads").disabled
        assert "what was finished is kept" in str(
            app.screen.query_one("#tune-work", WorkView).content
        )
        # It is no result: there is nothing to keep in the artifact.
        assert app.screen.query_one("#keep").disabled


@pytest.mark.slow
async def test_lengths_and_the_budget_are_asked(wizard: Build, called: Called) -> None:
    tuner = Tuner(BUILD)
    app = build_with(wizard, called, tuner)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        app.screen.query_one("#lengths", Input).value = "128; 512"
        await press(pilot, "#build")
        assert app.screen.query_one(ProblemPanel).has_class("-shown")
        assert not tuner.calls
        app.screen.query_one("#lengths", Input).value = "128, 512"
        app.screen.query_one("#budget", Input).value = "1.5x"
        await press(pilot, "#build")
        ((_, options),) = tuner.calls
        assert (options["prompt_tokens"], options["drift_budget"]) == ([128, 512], "1.5x")


@pytest.mark.slow
async def test_what_is_left_is_told_and_a_peer_is_named(wizard: Build, called: Called) -> None:
    tuner = Tuner({**THREADS, "peer": PEER, "taken_over": {"builds": 0, "measurements": 5}})
    tuner.go.clear()
    app = build_with(wizard, called, tuner)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        app.screen.query_one("#threads", Button).press()
        work, left = app.screen.query_one("#tune-work", WorkView), "left: 3 rounds, 7 measurements"
        await until(pilot, lambda: f"{left}, 42 s (estimate)" in str(work.content))
        tuner.go.set()
        await settle(pilot)
        text = str(app.screen.query_one("#verdict", Words).content)
        assert "Against llama.cpp b11434 (llama 135M Q4_0), measured in turns: faster." in text
        assert "prefill 1.00 × (0.90 to 1.10, inside the noise)" in text
        assert "Taken over from an earlier tuning: 5 measurements." in text


@pytest.mark.slow
async def test_void_figures_are_not_kept_and_a_full_disk_is_told(
    wizard: Build, called: Called
) -> None:
    tuner = Tuner({**THREADS, "void": True, "notes": ["Void: other programs."]})
    app = build_with(wizard, called, tuner)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        await press(pilot, "#threads")
        assert app.screen.query_one("#keep").disabled
        assert "Void: other programs." in str(app.screen.query_one("#verdict", Words).content)
        tuner.document, tuner.refuse = THREADS, True
        await press(pilot, "#threads")
        await press(pilot, "#keep")
        assert isinstance(app.screen, TuneScreen)
        assert app.screen.query_one(ProblemPanel).has_class("-shown")


async def test_without_an_artifact_there_is_nothing_to_tune(wizard: Build, called: Called) -> None:
    session = FULL.decide(artifact=None)
    app = build_with(wizard, called, Tuner(THREADS), session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        assert isinstance(app.screen, BenchmarkStep)


async def test_an_adopted_artifact_has_threads_only(wizard: Build, called: Called) -> None:
    session = FULL.decide(artifacts=(), source=None).decide(artifact="/models/out/int4")
    app = build_with(wizard, called, Tuner(THREADS), session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        assert app.screen.query_one("#build").disabled
        assert not app.screen.query_one("#threads").disabled
