"""Files where Windows and macOS differ: open files, drives with a cache, long names, read-only ones."""

import errno
import os
import sys
from pathlib import Path, PureWindowsPath

import pytest

from firstlight_core import files
from firstlight_core.artifact.publishing import publish, write_manifest
from firstlight_core.artifact.staging import PREFIX, open_staging, sweep
from firstlight_core.errors import StateProblem
from firstlight_core.files import delete_tree, long_path, patiently, sync_file, write_whole
from firstlight_core.locks import try_lock
from tests.support.windows import Locked, fake_windows, windows_error


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Locked:
    return fake_windows(monkeypatch)


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob(f"{PREFIX}*"))


def test_a_staging_folder_leaves_nothing_on_windows(tmp_path: Path, windows: Locked) -> None:
    with open_staging(tmp_path / "out") as staging:
        (staging.artifact / "model.onnx").write_bytes(b"weights")
        assert len(hidden(tmp_path)) == 2
    assert hidden(tmp_path) == []
    with pytest.raises(KeyError), open_staging(tmp_path / "out"):
        raise KeyError
    assert hidden(tmp_path) == []


def test_a_dead_run_is_swept_on_windows(tmp_path: Path, windows: Locked) -> None:
    dead = tmp_path / f"{PREFIX}out-0123abcd"
    (dead / "work").mkdir(parents=True)
    (dead / "lock").touch()
    (tmp_path / f"{PREFIX}out.lock").touch()
    assert sweep(tmp_path) == [dead]
    assert hidden(tmp_path) == []


def test_what_a_scanner_has_open_is_replaced_when_it_lets_go(
    tmp_path: Path, windows: Locked
) -> None:
    path = tmp_path / "settings.json"
    write_whole(path, "old")
    windows.hold(path, 3)
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert len(windows.waited) == 3


def test_what_stays_open_is_named_and_left_as_it_was(tmp_path: Path, windows: Locked) -> None:
    path = tmp_path / "state" / "settings.json"
    write_whole(path, "old")
    with path.open("rb"), pytest.raises(StateProblem) as caught:
        write_whole(path, "new")
    assert caught.value.hint and "Another program has a file of it open" in caught.value.hint
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.json"]


def test_an_artifact_is_published_on_windows(
    tmp_path: Path, windows: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither renameat2 nor renamex_np is there.
    monkeypatch.setattr("firstlight_core.artifact.atomic_rename._native", lambda *_: False)
    output = tmp_path / "out"
    for content in ("first", "second"):
        with open_staging(output) as staging:
            (staging.artifact / "model.onnx").write_text(content)
            write_manifest(staging.artifact, {})
            windows.hold(staging.artifact, 2)
            publish(staging.artifact, output)
        assert (output / "model.onnx").read_text() == content
    assert hidden(tmp_path) == []
    served = (output / "model.onnx").open("rb")
    with served, open_staging(output) as staging:
        (staging.artifact / "model.onnx").write_text("third")
        write_manifest(staging.artifact, {})
        with pytest.raises(StateProblem) as caught:
            publish(staging.artifact, output)
    assert (output / "model.onnx").read_text() == "second"
    assert "\n" not in str(caught.value)


def test_a_lock_is_held_released_and_its_note_is_read_on_windows(
    tmp_path: Path, windows: Locked
) -> None:
    lock = try_lock(tmp_path / "lock", note="pid 7")
    assert lock is not None
    assert try_lock(tmp_path / "lock") is None
    assert (tmp_path / "lock").read_text() == "pid 7"
    lock.release(unlink=True)
    assert not (tmp_path / "lock").exists()


def test_other_systems_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_sleep", lambda _: pytest.fail("It waits"))

    def refused() -> None:
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        patiently(refused)


@pytest.mark.parametrize("code", [5, 32, 33, 145])
def test_a_passing_refusal_is_tried_again(code: int, windows: Locked) -> None:
    left = [code, code]

    def busy() -> str:
        if left:
            raise windows_error(left.pop(), "x")
        return "done"

    assert patiently(busy) == "done"
    assert windows.waited == [0.01, 0.02]


def test_a_lasting_refusal_ends_in_seconds(windows: Locked) -> None:
    def busy() -> None:
        raise windows_error(32, "x")

    with pytest.raises(PermissionError):
        patiently(busy)
    assert 1 < sum(windows.waited) < 4


def test_macos_empties_the_cache_of_the_drive() -> None:
    requests: list[object] = []
    sync_file(
        7,
        platform="darwin",
        control=lambda *call: requests.append(call),
        sync=lambda _: requests.append(0),
    )
    assert requests == [(7, 51)]


def test_a_network_drive_of_macos_is_synchronised_as_it_can() -> None:
    requests: list[object] = []

    def unsupported(descriptor: int, command: int) -> None:
        raise OSError(errno.ENOTSUP, "no F_FULLFSYNC here")

    sync_file(7, platform="darwin", control=unsupported, sync=requests.append)
    assert requests == [7]


@pytest.mark.parametrize(
    ("path", "long"),
    [
        (r"C:\models\out", "\\\\?\\C:\\models\\out"),
        (r"\\server\share\out", "\\\\?\\UNC\\server\\share\\out"),
        (r"\\?\C:\models", "\\\\?\\C:\\models"),
    ],
)
def test_long_paths_of_windows(path: str, long: str) -> None:
    assert long_path(PureWindowsPath(path), platform="win32") == long
    assert long_path(PureWindowsPath(path), platform="linux") == path


def test_a_read_only_file_is_deleted_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: Locked
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "pack").write_text("x")
    (folder / "pack").chmod(0o444)
    unlink = os.unlink

    def picky(path: str, **options: object) -> None:
        if not os.stat(path).st_mode & 0o200:  # noqa: PTH116
            raise windows_error(5, path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", picky)
    delete_tree(folder, platform="win32")
    assert not folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the flag is real there")
def test_files_are_opened_without_text_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every `os.open` of the core passes O_BINARY where there is one."""
    flags: list[int] = []
    real = os.open
    monkeypatch.setattr(
        os,
        "open",
        lambda path, flag, *more, **options: flags.append(flag) or real(path, flag, *more),
    )
    for module in ("files", "locks", "process.logs", "model.folder"):
        monkeypatch.setattr(f"firstlight_core.{module}.BINARY", os.O_CLOEXEC | os.O_SYNC)
    from firstlight_core.process.logs import LogFile

    (tmp_path / "a.json").write_text("{}")
    files.read_limited(tmp_path / "a.json")
    lock = try_lock(tmp_path / "lock")
    assert lock is not None
    lock.release()
    LogFile(tmp_path, "job").close()
    assert len(flags) >= 3
    assert all(flag & os.O_SYNC for flag in flags if not flag & os.O_DIRECTORY)
