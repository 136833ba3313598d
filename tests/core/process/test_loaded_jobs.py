"""A forked job is as a started one: the tests of the runner with forks, and what only a fork could get wrong."""

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from firstlight_core.documents.jobs_selftest import SELFTEST
from firstlight_core.process.child import Child
from firstlight_core.process.events import Progress
from firstlight_core.process.priority import BESIDE_A_SCREEN
from tests.core.process.test_runner import (  # noqa: F401
    test_a_failure_crosses_the_border_with_its_kind_and_hint,
    test_a_native_crash_is_one_sentence_with_the_log,
    test_a_request_that_was_left_is_cancelled_and_answers_nobody_else,
    test_a_silent_end_tells_its_exit_code,
    test_a_worker_ignores_lines_that_are_no_requests,
    test_an_open_job_answers_often_and_outlives_a_cancelled_request,
    test_an_open_job_that_dies_says_so_every_time,
    test_an_unknown_act_is_a_failure_with_its_traceback,
    test_cancelling_the_task_ends_the_child,
    test_events_arrive_in_order_and_stray_output_becomes_log,
    test_hostile_output_is_made_harmless_and_capped,
    test_leaving_the_loop_ends_the_child_and_its_children,
    test_loopback_is_not_refused,
    test_nonsense_on_the_channel_ends_the_job,
    test_stray_output_is_kept_in_the_log_file,
    test_the_network_is_refused,
)

resource = pytest.importorskip("resource")
pytestmark = [
    pytest.mark.usefixtures("loaded_jobs", "clean_children"),
    pytest.mark.skipif(sys.platform != "linux", reason="jobs are forks on Linux only"),
]


@contextlib.asynccontextmanager
async def hanging(folder: Path | None = None) -> AsyncIterator[psutil.Process]:
    child = await Child.start(SELFTEST, {"act": "hang"}, network=False, cwd=folder)
    try:
        while not isinstance((await child.next())[1], Progress):
            pass
        yield psutil.Process(child.process.pid)
    finally:
        await child.stop()


async def test_it_is_a_fork_and_a_child_of_this_process(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        process = await stack.enter_async_context(hanging(tmp_path))
        assert process.rlimit(psutil.RLIMIT_NOFILE) == (soft - 1, hard)
        assert "loaded_jobs.serve" in " ".join(process.cmdline())
        assert process.ppid() == os.getpid()
        assert process.cwd() == str(tmp_path)
        # Its three streams, and the channel that it made of one: nothing of the process that forked it.
        assert process.num_fds() == 4


@pytest.mark.real
@pytest.mark.slow
def test_a_script_that_needs_torch_is_a_fork_too(tmp_path: Path) -> None:
    script = (
        "import os, sys\nloaded = 'torch' in sys.modules\nimport torch\n"
        "print(loaded, os.getcwd(), os.environ.get('HOME'), sys.argv, flush=True)\nraise SystemError('so')"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "é", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"True {tmp_path} {os.environ['HOME']} ['-c', 'é', '2']\n"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "SystemError: so")


async def test_each_has_the_environment_and_the_session_of_its_own_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for beside in (True, False):
        if beside:
            monkeypatch.setenv(BESIDE_A_SCREEN, "1")
        else:
            monkeypatch.delenv(BESIDE_A_SCREEN)
        async with hanging() as process:
            own = os.getpriority(os.PRIO_PROCESS, 0)
            assert process.nice() == (max(10, own) if beside else own)
            assert os.getpgid(process.pid) == process.pid
            assert os.getsid(process.pid) == (os.getsid(0) if beside else process.pid)
