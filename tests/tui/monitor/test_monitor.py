"""The monitor by its key: off, a line, a panel, the whole page; and what its drawings say."""

from dataclasses import replace

import pytest

from firstlight_core.machine import find_alerts, own_cpu
from firstlight_core.monitor import History, Sample
from firstlight_tui.modals.monitor_page import MonitorPage, thinned
from firstlight_tui.state.machine_view import MachineView
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.widgets import MonitorPane
from firstlight_tui.widgets.machine_chart import MachinePanel, strip_line
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL, GIB

SAMPLES = tuple(
    Sample(
        cpu=40.0 + n % 30,
        cores=(50.0, 30.0 + n % 30),
        memory_used=6 * GIB,
        memory_total=16 * GIB,
        disk_free=80 * GIB,
        job_rss=(300 + 5 * n) * 2**20,
        job_cpu=31.0,
        job_threads=12,
        job_write_rate=3e6,
        decode_rate=17.0 + n % 4 if n > 30 else None,
        seconds=float(n),
    )
    for n in range(60)
)
VIEW = MachineView(
    samples=SAMPLES, job="Quantizing 49/151", share=0.32, job_seconds=46.0, predicted=1.06 * GIB
)


@pytest.mark.slow
async def test_one_key_walks_through_the_forms(wizard: Build) -> None:
    app = wizard(session=FULL, first=ChatStep)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        pane = app.screen.query_one(MonitorPane)
        assert pane.size.height == 4 and "chat: int4" in pane.render().plain
        assert not pane.children
        await pilot.press("f12")
        await pilot.pause()
        assert isinstance(app.screen, MonitorPage)
        await pilot.press("t", "f12")
        await pilot.pause()
        assert not app.screen.query_one(MonitorPane).display
        await pilot.press("f12")
        await pilot.pause()
        strip = app.screen.query_one(MonitorPane)
        assert strip.size.height == 1 and strip.render().plain.split()[-1] == "–"
        await pilot.press("f12")
        await pilot.pause()
        assert app.screen.query_one(MonitorPane).size.height == 4
        await pilot.press("f12", "escape")
        await pilot.pause()
        assert app.workspace.monitor.mode == "panel"


@pytest.mark.slow
async def test_a_tall_terminal_has_a_taller_panel(wizard: Build) -> None:
    app = wizard(session=FULL, first=ChatStep, history=History(read=lambda: SAMPLES[-1]))
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        assert app.screen.query_one(MonitorPane).size.height == 8
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert app.screen.query_one(MonitorPane).size.height == 4


@pytest.mark.parametrize(("width", "height"), [(118, 4), (198, 8), (100, 4), (40, 2), (1, 1)])
def test_the_panel_keeps_to_its_room(width: int, height: int) -> None:
    lines = MachinePanel(view=VIEW).draw(width, height).plain.split("\n")
    assert len(lines) <= height and all(len(line) <= width for line in lines)


def test_the_panel_says_what_runs_and_what_was_predicted() -> None:
    text = MachinePanel(view=VIEW).draw(198, 8).plain
    for words in ("Quantizing 49/151", "32 %", "12 threads", "predicted peak 1.06 GiB", "c1 "):
        assert words in text
    assert "battery" not in text and "°C" not in text, "what cannot be read is not there"


@pytest.mark.parametrize("width", [118, 100, 80, 60, 160])
def test_no_figure_of_the_processor_is_cut(width: int) -> None:
    head = MachinePanel(view=VIEW).draw(width, 4).plain.split("\n")[0].split("▏")[0]
    own, others = f"job {own_cpu(SAMPLES[-1]):.0f}", f"others {69 - own_cpu(SAMPLES[-1]):.0f}"
    assert "…" not in head and "CPU 69 %" in head
    assert own in head or width == 60
    assert (others in head) is (width == 160)


def test_a_passed_threshold_is_said_with_advice() -> None:
    full = [replace(sample, memory_used=15 * GIB) for sample in SAMPLES]
    view = replace(VIEW, samples=tuple(full), alerts=find_alerts(full))
    assert "! RAM 94 % full. Close programs" in MachinePanel(view=view).draw(118, 4).plain
    assert strip_line(view).plain.startswith("! RAM 94 % full")
    busy = [replace(sample, cpu=97.0) for sample in SAMPLES]
    view = replace(VIEW, samples=tuple(busy), alerts=find_alerts(busy))
    assert (
        strip_line(view).plain.startswith("! CPU 97 %") and strip_line(view).plain.count("CPU") == 1
    )


def test_a_whole_run_is_thinned_to_its_peaks() -> None:
    many = [Sample(cpu=n % 100, memory_used=1, memory_total=2, seconds=n) for n in range(7200)]
    points = thinned(many, lambda sample: sample.cpu)
    assert len(points) == 240 and max(y for _, y in points) == 99
    assert thinned(many, lambda sample: sample.temperature) == ()
