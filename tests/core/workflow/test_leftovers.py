"""Left-overs: found with their sizes, removed on request, and nothing that is still wanted."""

from pathlib import Path

import pytest

from firstlight_core.artifact.staging import open_staging
from firstlight_core.locks import try_lock
from firstlight_core.paths import Paths, find_paths
from firstlight_core.workflow.leftovers import find_leftovers, folder_size, remove_leftovers


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return find_paths({"FIRSTLIGHT_HOME": str(tmp_path / "state")})


def put(path: Path, size: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def dead_staging(parent: Path) -> Path:
    """The staging folder of a process that was killed: its lock is free."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / ".firstlight-out-0123abcd"
    put(folder / "work" / "part", 50)
    put(folder / "lock", 0)
    return folder


def kinds(paths: Paths) -> dict[str, int]:
    return {item.kind: item.bytes for item in find_leftovers(paths)}


def test_nothing_is_nothing(paths: Paths) -> None:
    assert find_leftovers(paths) == []


def test_each_kind_is_found_with_its_size(paths: Paths) -> None:
    put(paths.reference / "a.npz", 300)
    put(paths.logs / "a.log", 200)
    put(paths.runs / "1" / "artifacts" / "int4" / "model.onnx", 1_000)
    put(paths.models / "custom" / ".firstlight-mine.previous" / "model.onnx", 400)
    dead_staging(paths.models / "custom")
    assert kinds(paths) == {
        "artifacts": 1_000,
        "previous": 400,
        "reference": 300,
        "logs": 200,
        "staging": 50,
    }
    sizes = [item.bytes for item in find_leftovers(paths)]
    assert sizes == sorted(sizes, reverse=True)


def test_what_somebody_may_want_goes_only_when_asked(paths: Paths) -> None:
    artifact = put(paths.runs / "1" / "artifacts" / "int4" / "model.onnx")
    log = put(paths.logs / "a.log")
    ledger = put(paths.runs / "1" / "ledger.jsonl")
    removed = remove_leftovers(find_leftovers(paths))
    assert [item.kind for item in removed] == ["logs"]
    assert artifact.exists() and not log.exists()
    remove_leftovers(find_leftovers(paths), everything=True)
    assert not artifact.exists() and ledger.exists()


def test_a_published_model_is_never_a_left_over(paths: Paths) -> None:
    model = put(paths.models / "custom" / "mine" / "model.onnx")
    settings = put(paths.config / "settings.toml")
    assert find_leftovers(paths) == []
    remove_leftovers(find_leftovers(paths), everything=True)
    assert model.exists() and settings.exists()


def test_the_staging_of_a_dead_process_goes(paths: Paths) -> None:
    folder = dead_staging(paths.runs / "1" / "artifacts")
    (staging,) = [item for item in find_leftovers(paths) if item.kind == "staging"]
    assert remove_leftovers([staging]) == [staging]
    assert not folder.exists()


def test_the_staging_of_a_living_process_stays(paths: Paths) -> None:
    parent = paths.models / "custom"
    with open_staging(parent / "mine") as staging:
        put(staging.artifact / "model.onnx")
        assert "staging" not in kinds(paths)
    assert not list(parent.glob(".firstlight-*-????????"))


def test_a_held_lock_keeps_its_folder(paths: Paths) -> None:
    folder = dead_staging(paths.models / "custom")
    lock = try_lock(folder / "lock")
    assert lock is not None
    assert find_leftovers(paths) == []
    lock.release()
    assert [item.kind for item in find_leftovers(paths)] == ["staging"]


def test_links_are_neither_followed_nor_removed(paths: Paths, tmp_path: Path) -> None:
    outside = put(tmp_path / "photos" / "a.jpg", 900)
    paths.logs.parent.mkdir(parents=True)
    paths.logs.symlink_to(outside.parent)
    assert find_leftovers(paths) == []
    put(paths.reference / "a", 10)
    (paths.reference / "link").symlink_to(outside.parent)
    assert folder_size(paths.reference) < 900
    remove_leftovers(find_leftovers(paths))
    assert outside.exists()
