"""A run that was killed goes on: at every step, and no finished step is done again."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.ledger import LOCK, list_runs
from firstlight_core.locks import try_lock
from firstlight_core.steps import STEPS
from firstlight_core.workflow import interrupted as module
from firstlight_core.workflow.interrupted import find_interrupted
from firstlight_core.workflow.walk import walk
from tests.core.workflow.test_walk import PLAN, Recorder, statuses
from tests.support import documents

SERVICES = {
    "environment": "run_checks",
    "model": "inspect",
    "convert": "convert",
    "template": "settle_template",
    "deploy": "deploy",
    "chat": "chat",
    "benchmark": "benchmark",
    "quality": "check_quality",
    "summary": "write_report",
}
"""Step → the service that does its work."""


class Killed(BaseException):
    """The process ends here, and writes nothing more."""


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file be as it was."""
    fingerprint = documents.inspected("/models/m")["fingerprint"]
    monkeypatch.setattr(module, "is_whole", lambda artifact, fingerprint: True)
    monkeypatch.setattr(module, "source_fingerprint", lambda folder: fingerprint)


async def killed_at(step: str, runs: Path) -> Recorder:
    recorder = Recorder({SERVICES[step]: Killed()})
    with pytest.raises(Killed):
        await walk(PLAN, runs=runs, services=recorder.services)
    return recorder


@pytest.mark.parametrize("step", list(SERVICES)[1:])
async def test_no_finished_step_is_done_again(tmp_path: Path, step: str) -> None:
    before = await killed_at(step, tmp_path)
    interrupted = find_interrupted(PLAN, runs=tmp_path)
    assert interrupted is not None
    titles = {row.id: row.title for row in STEPS}
    assert interrupted.stopped_at == titles[step]
    after = Recorder()
    document: Any = await walk(
        PLAN, runs=tmp_path, services=after.services, interrupted=interrupted
    )
    assert document["ok"] and set(statuses(document).values()) == {"done"}
    finished = list(SERVICES.values())[: list(SERVICES).index(step)]
    assert not [name for name in finished if after.called(name)]
    assert [name for name in SERVICES.values() if name not in finished] == [
        name for name in SERVICES.values() if after.called(name)
    ]
    assert all(len(before.called(name)) == 1 for name in finished)
    assert document["run"] == interrupted.run.id
    # The later steps work on the artifact that was made before.
    for args, _ in after.called("deploy"):
        assert args[0] == interrupted.run.folder / "artifacts" / "int8"
    # It has come to its end now.
    assert find_interrupted(PLAN, runs=tmp_path) is None


SCRIPT = """
import asyncio, os, signal, sys
import asyncio
import signal
import sys
from pathlib import Path
from firstlight_core.workflow.walk import walk
from tests.core.workflow.test_interrupted import SERVICES
from tests.core.workflow.test_walk import PLAN, Recorder

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

name = {"convert": "convert_many"}.get(sys.argv[1], SERVICES[sys.argv[1]])
services = Recorder().services.replaced(**{name: die})
asyncio.run(walk(PLAN, runs=Path(sys.argv[2]), services=services))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("step", list(SERVICES)[1:])
async def test_kill_9_at_each_step_and_resume(tmp_path: Path, step: str) -> None:
    ended = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, step, str(tmp_path), cwd=Path(__file__).parents[3]
    )
    assert await ended.wait() == -signal.SIGKILL
    interrupted = find_interrupted(PLAN, runs=tmp_path)
    assert interrupted is not None, "its lock went with the process"
    after = Recorder()
    before_the_sweep: list[int] = []

    def sweep() -> list[Path]:
        before_the_sweep.append(len(after.calls))
        return []

    services = after.services.replaced(sweep_staging=sweep)
    await walk(PLAN, runs=tmp_path, services=services, interrupted=interrupted)
    names = list(SERVICES.values())
    assert [name for name in names if after.called(name)] == names[list(SERVICES).index(step) :]
    assert before_the_sweep == [0], "what it had begun is removed before anything else"
    assert len(list_runs(tmp_path)) == 1


async def test_a_finished_precision_is_not_converted_again(tmp_path: Path) -> None:
    await killed_at("convert", tmp_path)
    (run,) = list_runs(tmp_path)
    made = documents.converted("int4", str(run.folder / "artifacts" / "int4"))
    run.record("convert", "done", values=made)
    interrupted = find_interrupted(PLAN, runs=tmp_path)
    assert interrupted is not None and interrupted.stopped_at == "Convert"
    after = Recorder()
    await walk(PLAN, runs=tmp_path, services=after.services, interrupted=interrupted)
    ((args, _),) = after.called("convert")
    assert list(args[1]) == ["int8"]


async def test_what_is_not_to_be_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_interrupted(PLAN, runs=tmp_path) is None
    await killed_at("quality", tmp_path)
    interrupted = find_interrupted(PLAN, runs=tmp_path)
    assert interrupted is not None
    assert find_interrupted(PLAN, runs=tmp_path, now=interrupted.at + 8 * 86_400) is None
    lock = try_lock(interrupted.run.folder / LOCK)
    assert lock is not None
    assert find_interrupted(PLAN, runs=tmp_path) is None, "a process still works on it"
    lock.release(unlink=True)
    monkeypatch.setattr(module, "source_fingerprint", lambda folder: "another")
    assert find_interrupted(PLAN, runs=tmp_path) is None


async def test_an_artifact_that_is_gone_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed_at("quality", tmp_path)
    monkeypatch.setattr(
        module, "is_whole", lambda artifact, fingerprint: not artifact.endswith("int8")
    )
    interrupted = find_interrupted(PLAN, runs=tmp_path)
    assert interrupted is not None and interrupted.stopped_at == "Convert"
    assert interrupted.steps == {"environment", "model", "precision"}
    assert list(interrupted.artifacts) == ["int4"]
