"""Services that outlive their starter, and the programs that are offered to talk to one."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from firstlight_core.deploy.deployment import deploy, undo
from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.foundry.background import (
    find_background,
    list_background,
    start_background,
    stop_background,
)
from firstlight_core.foundry.health import probe_service
from firstlight_core.foundry.service import snippets
from firstlight_core.paths import find_paths
from firstlight_core.workflow.leftovers import find_leftovers, remove_leftovers


@pytest.mark.real
async def test_a_service_stays_is_found_again_and_ends_with_everything_it_started(
    own_artifact: Path,
) -> None:
    service = await start_background(str(own_artifact))
    try:
        health = await probe_service(service.base_url)
        assert health.ok and health.models == (service.model,)
        assert list_background() == [service]
        assert find_background(str(own_artifact)) == find_background(service.model) == service
        # It is nobody's child: whoever started it may go.
        assert service.pid not in [p.pid for p in psutil.Process().children(recursive=True)]
        with pytest.raises(UsageError, match="served already"):
            await start_background(str(own_artifact))
        listed = [item for item in find_leftovers() if item.kind == "service"]
        assert service.base_url in listed[0].why and remove_leftovers(listed) == []
        group = psutil.Process(service.pid).children(recursive=True)
        assert group
        assert remove_leftovers(listed, everything=True) == listed
        assert not psutil.pid_exists(service.pid) and not any(p.is_running() for p in group)
        assert list_background() == [] and not list((find_paths().state / "services").iterdir())
    finally:
        stop_background(service)


@pytest.mark.real
async def test_an_undone_deployment_is_not_served_any_more(own_artifact: Path) -> None:
    await deploy(own_artifact, "a")
    service = await start_background("a")
    try:
        assert (await undo("a"))["removed"][0] == service.base_url
        assert not psutil.pid_exists(service.pid) and list_background() == []
    finally:
        stop_background(service)


@pytest.mark.real
def test_a_service_that_dies_is_told_beside_its_one_document(own_artifact: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "firstlight_tui", "serve", str(own_artifact), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as verb:
        assert verb.stdout is not None
        written = ""
        while not written.endswith("\n}\n"):
            written += verb.stdout.readline()
        os.kill(json.loads(written)["pid"], signal.SIGKILL)
        rest, told = verb.communicate(timeout=60)
    assert (verb.returncode, rest) == (1, "")
    assert "service ended by itself" in told


@pytest.mark.real
async def test_a_service_that_was_killed_leaves_neither_process_nor_record(
    own_artifact: Path,
) -> None:
    service = await start_background(str(own_artifact))
    group = psutil.Process(service.pid).children(recursive=True)
    os.kill(service.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(group, timeout=20)
    assert not alive
    assert service.record.exists() and list_background() == [] and not service.record.exists()
    stop_background(service)


async def test_a_service_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no folder and no deployment"):
        await start_background(str(tmp_path / "nothing"))
    assert list_background() == []


def test_a_record_of_another_process_counts_as_nothing() -> None:
    record = find_paths().state / "services" / "1.json"
    record.parent.mkdir(parents=True)
    for text in (
        json.dumps(
            {"pid": os.getpid(), "born": 1.0, "target": "a", "base_url": "x", "model": "a:1"}
        ),
        "{",
        '{"pid": 1}',
    ):
        record.write_text(text)
        assert list_background() == [] and not record.exists()


def test_every_snippet_names_the_service_and_is_a_program() -> None:
    url, model = "http://127.0.0.1:5273/catalogs/local/v1", "sample-int4:1"
    texts = snippets(url, model)
    assert set(texts) == {"curl", "python", "environment", "javascript", "agent_framework"}
    for key, text in texts.items():
        assert url in text and (model in text or key == "environment")
    for key in ("python", "agent_framework"):
        ast.parse(texts[key])


async def test_on_windows_no_service_stays_and_the_form_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from textual.app import App, ComposeResult
    from textual.widgets import Checkbox

    from firstlight_core.errors import UsageError
    from firstlight_core.foundry import background
    from firstlight_tui.state.deployment import ServiceWish
    from firstlight_tui.steps.deploy import service_panel

    assert background.can_stay(platform="linux") and not background.can_stay(platform="win32")
    for module in (background, service_panel):
        monkeypatch.setattr(module, "can_stay", lambda: False)
    with pytest.raises(UsageError, match="cannot be started on Windows yet"):
        await background.start_background("sample")

    class Form(App[None]):
        def compose(self) -> ComposeResult:
            yield service_panel.ServiceForm(ServiceWish(0, True))

    app = Form()
    async with app.run_test():
        tick = app.query_one(Checkbox)
        assert tick.disabled and not tick.value
        assert str(tick.label) == "ends with the wizard"
        assert not app.query_one(service_panel.ServiceForm).wish.stays
