"""Shared fixtures: every test has its own home, and the real artifacts are made once for all workers."""

import asyncio
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from firstlight_core.paths import find_paths
from tests.support.windows import fake_windows

SAMPLE = find_paths().sample
# A busy machine is slow, not wrong.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
# Threads of torch that wait for each other on tiny models took more than half of the processor time of a conversion.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What is imported and what is found at the start stays: looking through it again and again was a tenth of finding the tests.
gc.set_threshold(100_000, 20, 100)
# A shell that runs the tests in the background lets them, and all that they start, ignore Ctrl+C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix the files of screens, which wait half of their time, evenly with the others, which compute.

    Every worker begins with a part of the list, and steals from the ends of others: without this all of them end
    in screens, and two cores are a quarter idle.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    screens: dict[Path, list[pytest.Item]] = {}
    others: dict[Path, list[pytest.Item]] = {}
    for item in items:
        kind = screens if "tests/tui/" in item.nodeid else others
        kind.setdefault(item.path, []).append(item)
    placed = sorted([*_places(screens), *_places(others)], key=lambda entry: entry[0])
    items[:] = [item for _, file in placed for item in file]


def _places(files: Mapping[Path, list[pytest.Item]]) -> Iterator[tuple[float, list[pytest.Item]]]:
    """Where the middle of each file is, as a share of all tests of its kind."""
    total, before = sum(map(len, files.values())), 0
    for file in files.values():
        yield (before + len(file) / 2) / total, file
        before += len(file)


LOADED_BY_COLLECTION = pytest.StashKey[set[str]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note the top-level modules that importing the tests has loaded."""
    session.config.stash[LOADED_BY_COLLECTION] = {name.split(".")[0] for name in sys.modules}


@pytest.fixture(scope="session", autouse=True)
def rare_collections() -> Iterator[None]:
    """Leave what was imported out of every garbage collection: looking at it was a third of a wizard's start.

    Pytest collects five times at its end; once is enough for what was left behind.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def folder_names() -> Counter[str]:
    """How many tests of each name have had a folder."""
    return Counter()


@pytest.fixture
def tmp_path(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    folder_names: Counter[str],
) -> Path:
    """A folder of the test's own. Pytest's lists the folders of all earlier tests to find a number for the next."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder_names[name.lower()] += 1
    return tmp_path_factory.mktemp(f"{name}_{folder_names[name.lower()] - 1}", numbered=False)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME, every cache and all of Firstlight's state below a temporary folder; no tokens."""
    home = tmp_path / "home"
    home.mkdir()
    for name in (
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "FIRSTLIGHT_OLIVE",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        # A terminal's size in the environment would overrule the pseudo-terminal's own.
        "COLUMNS",
        "LINES",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    monkeypatch.setenv("FIRSTLIGHT_HOME", str(home / "firstlight"))
    return home


@pytest.fixture(autouse=True)
def fake_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `FIRSTLIGHT_FAKE=windows` every test meets files that cannot be removed or renamed while they are open."""
    if os.environ.get("FIRSTLIGHT_FAKE") == "windows":
        fake_windows(monkeypatch)


@pytest.fixture
def sample() -> Path:
    """The sample model that ships with Firstlight; read-only."""
    return SAMPLE


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for all xdist workers of this run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Make `folder` in one of the workers while the others wait for it."""

    def make_one(parts: Mapping[str, Path]) -> None:
        make(parts[folder.name])

    make_together([folder], make_one)
    return folder


def make_together(folders: Sequence[Path], make: Callable[[Mapping[str, Path]], None]) -> None:
    """Make those of `folders` that are missing, by their names, in one of the workers while the others wait for it."""
    with ExitStack() as locks:
        # Always in the same order: no two workers wait for each other.
        for folder in sorted(folders):
            locks.enter_context(FileLock(folder.with_name(folder.name + ".lock")))
        parts = {
            folder.name: folder.with_name(folder.name + ".part")
            for folder in folders
            if not folder.exists()
        }
        for part in parts.values():
            shutil.rmtree(part, ignore_errors=True)
        if parts:
            make(parts)
        for name, part in parts.items():
            part.rename(part.with_name(name))


@pytest.fixture(scope="session")
def artifact(shared_folder: Path) -> Callable[..., Path]:
    """`artifact("int4")`: the sample, really converted, once per run; read-only (copy it to change it).

    `artifact("fp32", "int8")` makes INT8 as well, if it has to make FP32: a process of Olive that is there makes
    another artifact in a quarter of the time.
    """

    def find(precision: str = "int4", *others: str) -> Path:
        def make(parts: Mapping[str, Path]) -> None:
            from firstlight_core.conversion.convert import convert_many

            own = os.environ.get("FIRSTLIGHT_HOME")
            os.environ["FIRSTLIGHT_HOME"] = str(shared_folder / "home")
            outputs = {name.removeprefix("sample-"): part for name, part in parts.items()}
            # In a thread of its own: the test that asks may be a coroutine.
            try:
                with ThreadPoolExecutor(1) as pool:
                    document = pool.submit(asyncio.run, convert_many(SAMPLE, outputs)).result()
            finally:
                if own is not None:
                    os.environ["FIRSTLIGHT_HOME"] = own
            assert document["ok"], document["failures"]

        folder = shared_folder / f"sample-{precision}"
        if not folder.exists():
            make_together([shared_folder / f"sample-{key}" for key in {precision, *others}], make)
        return folder

    return find


@pytest.fixture
def own_artifact(artifact: Callable[[str], Path], tmp_path: Path) -> Path:
    """A private copy of the sample's int4 artifact, to be changed or broken."""
    return Path(shutil.copytree(artifact("int4"), tmp_path / "artifact"))


@pytest.fixture(scope="session")
def job_forks() -> Iterator[Callable[..., int] | None]:
    """What `loaded_jobs` puts in the place of a start; None where forks cannot be made children of this process."""
    if sys.platform != "linux":
        yield None
        return
    from tests.support.loaded_jobs import LoadedJobs

    forks = LoadedJobs()
    yield forks.forking(subprocess._fork_exec)  # type: ignore[attr-defined]
    forks.close()


@pytest.fixture
def loaded_jobs(job_forks: Callable[..., int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of this process are forks of one that has loaded their libraries (`tests/support/loaded_jobs.py`)."""
    if job_forks is not None:
        monkeypatch.setattr(subprocess, "_fork_exec", job_forks)


@pytest.fixture
def clean_children() -> Iterator[None]:
    """Fails a test that leaves a child process behind."""
    import psutil

    before = set(psutil.Process().children(recursive=True))
    yield
    left = [p for p in psutil.Process().children(recursive=True) if p not in before]
    assert not left, left
