"""Services that outlive their starter, and the programs that are offered to talk to one."""

import ast
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from firstlight_core.deploy.deployment import deploy, undo
from firstlight_core.errors import InputRefused, JobDied, UsageError
from firstlight_core.foundry import background
from firstlight_core.foundry.background import (
    find_background,
    list_background,
    start_background,
    stop_background,
)
from firstlight_core.foundry.health import probe_service
from firstlight_core.foundry.service import snippets
from firstlight_core.paths import find_paths
from firstlight_core.process.tree import JobObjects, StartOptions, end_descendants, let_go
from firstlight_core.workflow.leftovers import find_leftovers, remove_leftovers
from tests.support.windows import windows_error


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
        rest, errors = verb.communicate(timeout=60)
    assert (verb.returncode, rest) == (1, "")
    assert "service ended by itself" in errors


@pytest.mark.real
async def test_a_service_that_was_killed_leaves_neither_process_nor_record(
    own_artifact: Path,
) -> None:
    service = await start_background(str(own_artifact))
    group = psutil.Process(service.pid).children(recursive=True)
    os.kill(service.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(group, timeout=60)
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


class WindowsTrees:
    """Starts processes as Windows would: a terminal may hold what it started in its job."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, script: str, *, held: bool) -> None:
        self.flags: list[int] = []
        self.pids: list[int] = []
        self._jobs = JobObjects(None)
        start = subprocess.Popen

        def popen(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
            self.flags.append(options.pop("creationflags"))
            if held and self.flags[-1] & 0x0100_0000:
                raise windows_error(5, command[0])
            process = start([sys.executable, "-c", script], **options)
            self.pids.append(process.pid)
            return process

        monkeypatch.setattr(background.subprocess, "Popen", popen)
        monkeypatch.setattr(background, "process_trees", lambda: self)
        monkeypatch.setattr(background, "let_go", partial(let_go, platform="win32"))

    def staying(self) -> Sequence[StartOptions]:
        return self._jobs.staying()

    def signal(self, pid: int, number: int) -> None:
        end_descendants(pid)


@pytest.mark.parametrize("held", [False, True])
async def test_on_windows_a_service_leaves_console_and_job_of_its_terminal(
    held: bool, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    record = (
        "{'pid': os.getpid(), 'born': 1.0, 'target': 'a', 'base_url': 'http://x', 'model': 'a:1'}"
    )
    script = f"import json, os, signal; print(json.dumps({record}), flush=True); signal.pause()"
    windows = WindowsTrees(monkeypatch, script, held=held)
    service = await start_background("a")
    try:
        assert [service.pid] == windows.pids
        # No window, no Ctrl-C of the console, and out of the terminal's job where that allows it.
        assert windows.flags == [0x0900_0200, 0x0800_0200][: 1 + held]
        gc.collect()
        assert psutil.Process(service.pid).status() != psutil.STATUS_ZOMBIE
        assert not recwarn
    finally:
        os.kill(service.pid, signal.SIGKILL)
        os.waitpid(service.pid, 0)


async def test_on_windows_a_service_that_does_not_begin_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    windows = WindowsTrees(monkeypatch, "import signal; signal.pause()", held=False)
    with pytest.raises(JobDied, match="did not start"):
        await start_background("a", seconds=0.2)
    assert os.waitpid(windows.pids[0], 0)[1] == signal.SIGKILL
