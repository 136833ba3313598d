"""The runner against real child processes: chatter, failure, crash, garbage, cancellation, and their end."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from firstlight_core.documents.jobs_selftest import SELFTEST
from firstlight_core.errors import FirstlightError, JobDied, JobFailed, ModelRefused
from firstlight_core.paths import find_paths
from firstlight_core.process.child import LOG_BACKLOG
from firstlight_core.process.events import (
    Event,
    Finished,
    LogLine,
    Measured,
    Progress,
    Reply,
    Token,
)
from firstlight_core.process.logs import FILE_LIMIT, LINE_LIMIT
from firstlight_core.process.offline import OFFLINE, child_environment
from firstlight_core.process.runner import job_result, open_job, run_job

pytestmark = pytest.mark.usefixtures("clean_children")
# Windows knows one way to end another process, and takes SIGTERM for it.
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


async def events_of(act: str, **request: Any) -> list[Event]:
    return [event async for event in run_job(SELFTEST, {"act": act, **request})]


async def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within some seconds; waits for the process itself, not for a time."""
    try:
        process = psutil.Process(pid)
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        await asyncio.to_thread(process.wait, seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return process.status() == psutil.STATUS_ZOMBIE
    return True


async def test_events_arrive_in_order_and_stray_output_becomes_log() -> None:
    events = await events_of("count", total=3)
    assert [e.done for e in events if isinstance(e, Progress)] == [1, 2, 3]
    assert events[-1] == Finished({"counted": 3})
    lines = {e.text for e in events if isinstance(e, LogLine)}
    assert lines <= {"a chatty library writes to stdout", "and so does native code"}


async def test_stray_output_is_kept_in_the_log_file() -> None:
    await events_of("count", total=2)
    (log,) = find_paths().logs.glob("*-selftest-*.log")
    text = log.read_text()
    assert "a chatty library writes to stdout" in text
    assert "and so does native code" in text


async def test_a_failure_crosses_the_border_with_its_kind_and_hint() -> None:
    with pytest.raises(ModelRefused, match="holds no model") as caught:
        await events_of("refuse")
    assert caught.value.hint == "Choose another one."


async def test_an_unknown_act_is_a_failure_with_its_traceback() -> None:
    with pytest.raises(JobFailed, match="KeyError") as caught:
        await events_of("no such act")
    assert "Traceback" in caught.value.detail


async def test_a_native_crash_is_one_sentence_with_the_log() -> None:
    with pytest.raises(JobDied, match="SIGABRT") as caught:
        await events_of("crash")
    assert "Fatal Python error" in caught.value.detail
    assert caught.value.signal == "SIGABRT"


async def test_a_silent_end_tells_its_exit_code() -> None:
    with pytest.raises(JobDied, match="exit code 7"):
        await events_of("leave", code=7)


@pytest.mark.parametrize(("act", "word"), [("garbage", "garbage"), ("endless", "without end")])
async def test_nonsense_on_the_channel_ends_the_job(act: str, word: str) -> None:
    with pytest.raises(JobDied, match=word):
        await events_of(act)


async def test_hostile_output_is_made_harmless_and_capped() -> None:
    events = await events_of("noise")
    lines = [e.text for e in events if isinstance(e, LogLine)]
    text = "\n".join(lines) + "".join(p.read_text() for p in find_paths().logs.glob("*.log"))
    assert "\x1b" not in text and "\x07" not in text
    assert "hf_0123456789abcdefghij" not in text
    assert max(map(len, lines)) <= LINE_LIMIT + 1


@pytest.mark.slow
async def test_a_flood_of_output_fills_neither_memory_nor_disk() -> None:
    lines = FILE_LIMIT // 1_000 + 3_000
    events = await events_of("flood", lines=lines)
    assert isinstance(events[-1], Finished)
    assert sum(isinstance(e, LogLine) for e in events) <= lines
    (log,) = find_paths().logs.glob("*.log")
    assert FILE_LIMIT - 5_000 < log.stat().st_size < FILE_LIMIT + 5_000


@pytest.mark.slow
async def test_a_listener_that_does_not_listen_holds_a_limited_backlog() -> None:
    pids: list[int] = []
    lines = 2 * LOG_BACKLOG
    events = run_job(SELFTEST, {"act": "flood", "lines": lines}, started=pids.append)
    async with contextlib.aclosing(events):  # type: ignore[type-var]
        await anext(events)
        assert await gone(pids[0], 30)
        rest = [event async for event in events]
    assert isinstance(rest[-1], Finished)
    # Lines of 1 kB still in the pipe (64 KiB) and in asyncio's reader (128 KiB and one read) may follow.
    assert len(rest) < LOG_BACKLOG + 400
    (log,) = find_paths().logs.glob("*.log")
    assert log.read_text().count("\n") == lines


@pytest.mark.parametrize(
    ("host", "resolve"), [("203.0.113.7", False), ("203.0.113.7", True), ("example.invalid", True)]
)
async def test_the_network_is_refused(host: str, resolve: bool) -> None:
    with pytest.raises(FirstlightError, match="offline here"):
        await events_of("connect", host=host, resolve=resolve)


async def test_loopback_is_not_refused() -> None:
    # Port 9 (discard) is closed: the kernel answers, not the guard.
    with pytest.raises(JobFailed, match="Connection refused") as caught:
        await events_of("connect", host="127.0.0.1")
    assert "offline here" not in str(caught.value)


def test_children_get_no_secrets_and_no_foreign_python_settings() -> None:
    given = {
        "PATH": "/bin",
        "HF_TOKEN": "hf_x",
        "OPENAI_API_KEY": "sk-x",
        "PYTHONPATH": "/evil",
        "PYTHONSTARTUP": "/evil.py",
        "FIRSTLIGHT_NETWORK": "1",
    }
    environment = child_environment(given)
    assert environment["PATH"] == "/bin"
    assert not {"HF_TOKEN", "OPENAI_API_KEY", "PYTHONPATH", "PYTHONSTARTUP"} & environment.keys()
    assert "FIRSTLIGHT_NETWORK" not in environment
    assert OFFLINE.items() <= environment.items()


def test_only_an_explicit_yes_opens_the_network() -> None:
    environment = child_environment({"HF_TOKEN": "hf_x"}, network=True)
    assert environment["FIRSTLIGHT_NETWORK"] == "1"
    assert environment["HF_TOKEN"] == "hf_x"
    assert not {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} & environment.keys()
    assert environment["DO_NOT_TRACK"] == "1"


@pytest.mark.parametrize("stubborn", [False, True])
async def test_leaving_the_loop_ends_the_child_and_its_children(stubborn: bool) -> None:
    pids: list[int] = []
    request = {"act": "spawn", "stubborn": stubborn}
    events = run_job(SELFTEST, request, started=pids.append)
    async with contextlib.aclosing(events):  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Measured):
                pids.append(int(event.value))
            if isinstance(event, Progress):
                break
    assert len(pids) == 2
    assert [await gone(pid) for pid in pids] == [True, True]


async def test_cancelling_the_task_ends_the_child() -> None:
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(job_result(SELFTEST, {"act": "hang"}, started=pid.set_result))
    child = await pid
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(child)


PARENT = """
import asyncio, sys
from firstlight_core.documents.jobs_selftest import SELFTEST
from firstlight_core.process.events import Measured
from firstlight_core.process.runner import run_job
async def main():
    pids = []
    async for event in run_job(SELFTEST, {"act": "spawn"}, started=pids.append):
        if isinstance(event, Measured):
            print(pids[0], int(event.value), flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("number", sorted({KILL, signal.SIGTERM}))
async def test_a_parent_that_is_killed_takes_its_children_with_it(number: int) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        os.kill(parent.pid, number)
        parent.wait(10)
        assert [await gone(pid) for pid in pids] == [True, True]


async def test_a_job_runs_in_a_neutral_folder_where_nothing_shadows_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert await job_result(SELFTEST, {"act": "count", "total": 1}) == {"counted": 1}
    assert await job_result(SELFTEST, {"act": "count", "total": 1}, cwd=tmp_path) == {"counted": 1}


async def test_job_result_tells_every_event() -> None:
    heard: list[Event] = []
    await job_result(SELFTEST, {"act": "count", "total": 2}, on_event=heard.append)
    assert [type(e) for e in heard if not isinstance(e, LogLine)] == [Progress, Progress, Finished]


async def test_an_open_job_answers_often_and_outlives_a_cancelled_request() -> None:
    async with open_job(SELFTEST, {"act": "serve"}) as job:
        first = [event async for event in job.ask("one", tokens=2)]
        assert [e.text for e in first if isinstance(e, Token)] == ["one0 ", "one1 "]
        assert first[-1] == Reply({"op": "one", "cancelled": False})
        seen = []
        async for event in job.ask("long", tokens=1_000, wait=True):
            seen.append(event)
            if isinstance(event, Token):
                await job.cancel()
        assert seen[-1] == Reply({"op": "long", "cancelled": True})
        assert await job.request("two") == {"op": "two", "cancelled": False}
        assert job.alive


async def test_a_request_that_was_left_is_cancelled_and_answers_nobody_else() -> None:
    async with open_job(SELFTEST, {"act": "serve"}) as job:
        async for event in job.ask("left", tokens=1_000, wait=True):
            assert isinstance(event, Token)
            break
        answer = [event async for event in job.ask("next", tokens=1)]
        assert [e.text for e in answer if isinstance(e, Token)] == ["next0 "]


async def test_an_open_job_that_dies_says_so_every_time() -> None:
    async with open_job(SELFTEST, {"act": "serve"}) as job:
        await job.request("one")
        os.kill(job.pid, KILL)
        for _ in range(2):
            with pytest.raises(JobDied):
                await job.request("two")
        assert not job.alive


def worker(job: str, lines: list[Any]) -> str:
    """What a worker says on its channel; its stdin stays open, for its end would mean that the parent is gone."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "firstlight_core.jobs", job],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
        process.stdin.flush()
        return process.stdout.read()


def test_a_worker_ignores_lines_that_are_no_requests() -> None:
    assert "Finished" in worker("selftest", [{"act": "serve"}, "nonsense", 7, {"op": "close"}])


def test_an_unknown_job_is_a_failure_and_not_a_traceback() -> None:
    assert json.loads(worker("no-such-job", [{}]).splitlines()[-1])["kind"] == "Failed"


NASTY = {
    "TRANSFORMERS_VERBOSITY": "critical",
    "TRANSFORMERS_SDPA_FORCE_GQA": "1",
    "TRANSFORMERS_DISABLE_TORCH_CHECK": "1",
    "TRANSFORMERS_IS_CI": "1",
    "HF_DEACTIVATE_ASYNC_LOAD": "1",
    "HF_ENABLE_PARALLEL_LOADING": "true",
    "HF_HUB_VERBOSITY": "critical",
    "HF_HUB_OFFLINE": "0",
    "ORT_GQA_DISABLE_FLASH_ATTENTION": "1",
    "ORT_DISABLE_FUSED_ATTENTION": "1",
    "ORT_QMOE_CPU_QNBIT_GEMM": "1",
    "ORT_MLAS_QKGEMM_S8_APPROX_VNNI": "1",
    "ORT_LOAD_CONFIG_FROM_MODEL": "1",
    "ORTGENAI_LOG_ORT_LIB": "1",
    "OLIVE_LOG_LEVEL": "CRITICAL",
    "OLIVE_CACHE_DIR": "/nowhere",
    "USE_OLIVE_ENV": "0",
    "QUANTIZATION_DEBUG": "1",
    "ONNX_ML": "0",
    "DNNL_DEFAULT_FPMATH_MODE": "BF16",
    "ONEDNN_DEFAULT_FPMATH_MODE": "ANY",
    "ATEN_CPU_CAPABILITY": "default",
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    "PYTORCH_JIT": "0",
    "XLA_USE_BF16": "1",
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "1",
    "WORLD_SIZE": "2",
    "RANK": "1",
    "LOCAL_RANK": "1",
    "USE_TORCH": "0",
    "PYTHONHASHSEED": "7",
    "PYTHONPATH": "/nowhere",
}


@pytest.mark.parametrize("network", [False, True])
def test_no_library_setting_of_the_user_reaches_a_child(network: bool) -> None:
    places = {"HF_HOME": "/h", "HOME": "/home/x", "OMP_NUM_THREADS": "1", "FIRSTLIGHT_HOME": "/f"}
    environment = child_environment(NASTY | places, network=network)
    assert places.items() <= environment.items()
    inherited = {name for name in NASTY if name in environment and environment[name] == NASTY[name]}
    assert not {name for name in inherited if not (network and name.startswith("HF_"))}
