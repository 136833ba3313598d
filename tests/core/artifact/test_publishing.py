"""Publishing: whole or not at all, old or new, never between."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight_core.artifact import atomic_rename, publishing
from firstlight_core.artifact.publishing import (
    MANIFEST,
    check_output,
    open_staging,
    previous_of,
    publish,
    read_manifest,
    restore_previous,
    sweep,
    write_manifest,
)
from firstlight_core.errors import FirstlightError, InputRefused, Interrupted, StateProblem
from firstlight_core.locks import try_lock
from tests.support import faultkit

# The fault kit leaves closing its files to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def fill(folder: Path, mark: str) -> None:
    """A small artifact that says `mark` in each of its files."""
    (folder / "model.onnx").write_bytes(mark.encode() * 1000)
    (folder / "sub").mkdir()
    (folder / "sub" / "weights.data").write_bytes(mark.encode() * 50_000)
    (folder / "genai_config.json").write_text(json.dumps({"mark": mark}))
    (folder / "inference_model.json").write_text(json.dumps({"Name": "x"}))
    write_manifest(folder, {"mark": mark})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make(output: Path, mark: str) -> None:
    with open_staging(output) as staging:
        fill(staging.artifact, mark)
        publish(staging.artifact, output)


def mark_of(output: Path) -> str:
    """The mark of an artifact that is whole; a half one fails the test."""
    manifest = read_manifest(output)
    assert manifest is not None
    for name, facts in manifest["files"].items():
        assert (output / name).stat().st_size == facts["bytes"], name
        assert publishing.sha256_of(output / name) == facts["sha256"], name
    assert json.loads((output / "genai_config.json").read_text())["mark"] == manifest["mark"]
    return str(manifest["mark"])


def test_new_output_appears_whole_and_alone(tmp_path: Path) -> None:
    output = tmp_path / "new" / "parents" / "out"
    make(output, "a")
    assert mark_of(output) == "a"
    assert names(output.parent) == ["out"]
    for path in output.rglob("*"):
        if path.is_file():
            assert path.stat().st_nlink == 1
            assert path.stat().st_mode & 0o777 == 0o644


def test_old_output_is_exchanged_and_its_place_is_clean(tmp_path: Path) -> None:
    make(tmp_path / "out", "a")
    make(tmp_path / "out", "b")
    assert mark_of(tmp_path / "out") == "b"
    assert names(tmp_path) == ["home", "out"]


def test_failure_leaves_nothing_not_even_new_parents(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), open_staging(tmp_path / "a" / "b" / "out") as staging:
        fill(staging.artifact, "a")
        raise RuntimeError
    assert not (tmp_path / "a").exists()


def test_previous_version_comes_back_and_forth(tmp_path: Path) -> None:
    output = tmp_path / "out"
    make(output, "a")
    with open_staging(output) as staging:
        fill(staging.artifact, "b")
        publish(staging.artifact, output, keep_previous=True)
    assert mark_of(output) == "b"
    assert not faultkit.foundry_sees(str(previous_of(output).parent))
    assert restore_previous(output)
    assert mark_of(output) == "a"
    assert not (output / publishing.HIDDEN_MARK).exists()
    assert restore_previous(output)
    assert mark_of(output) == "b"


def test_without_previous_there_is_no_undo(tmp_path: Path) -> None:
    make(tmp_path / "out", "a")
    assert not restore_previous(tmp_path / "out")


def test_staging_is_never_seen_by_foundry(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    output = root / "me" / "out"
    with open_staging(output) as staging:
        fill(staging.artifact, "a")
        assert faultkit.foundry_sees(str(root)) == {}
        publish(staging.artifact, output)
        assert faultkit.foundry_sees(str(root)) == {"x:0": [str(output)]}
    with open_staging(output) as staging:
        fill(staging.artifact, "b")
        publish(staging.artifact, output)
        # The old one stands in the staging folder at this moment.
        assert faultkit.foundry_sees(str(root)) == {"x:0": [str(output)]}


def test_staging_can_stand_outside_a_scanned_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with open_staging(root / "custom" / "out", beside=root) as staging:
        assert staging.folder.parent == tmp_path


@pytest.mark.parametrize("native", [True, False])
def test_exchange_and_new_refuse_what_they_must(tmp_path: Path, native: bool) -> None:
    for name in ("a", "b", "aside"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "1").touch()
    atomic_rename.rename_exchange(
        tmp_path / "a", tmp_path / "b", aside=tmp_path / "aside", native=native
    )
    assert (tmp_path / "b" / "1").exists()
    assert not (tmp_path / "a" / "1").exists()
    with pytest.raises(FileExistsError):
        atomic_rename.rename_new(tmp_path / "a", tmp_path / "b", native=native)
    with pytest.raises(OSError):
        atomic_rename.rename_exchange(
            tmp_path / "none", tmp_path / "b", aside=tmp_path / "aside", native=native
        )
    assert (tmp_path / "b" / "1").exists()


def test_sweep_brings_an_interrupted_portable_swap_back(tmp_path: Path) -> None:
    output = tmp_path / "out"
    make(output, "a")
    dead = tmp_path / ".firstlight-out-0123abcd"
    (dead / "artifact").mkdir(parents=True)
    (dead / "lock").touch()
    (dead / "target").write_text(str(output))
    output.rename(dead / "previous")
    sweep(tmp_path)
    assert mark_of(output) == "a"
    assert not dead.exists()


def test_sweep_leaves_the_living_and_the_foreign_alone(tmp_path: Path) -> None:
    foreign = tmp_path / ".firstlight-my-holidays"
    foreign.mkdir()
    dead = tmp_path / ".firstlight-out-0123abcd"
    dead.mkdir()
    with open_staging(tmp_path / "out") as staging:
        assert not dead.exists()
        assert sweep(tmp_path) == []
        assert staging.artifact.is_dir()
    assert foreign.is_dir()


def _hold(output: str, go: "multiprocessing.synchronize.Event", inside: object) -> None:
    with open_staging(Path(output)):
        inside.set()  # type: ignore[attr-defined]
        go.wait(60)


def test_second_writer_is_told_and_the_lock_dies_with_its_owner(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    go, inside = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(str(tmp_path / "out"), go, inside))
    other.start()
    assert inside.wait(60)
    with (
        pytest.raises(StateProblem, match="Another Firstlight is writing"),
        open_staging(tmp_path / "out"),
    ):
        pass
    with open_staging(tmp_path / "elsewhere"):
        pass
    other.kill()
    other.join()
    with open_staging(tmp_path / "out"):
        assert len([p for p in tmp_path.glob(".firstlight-out-*") if p.is_dir()]) == 1
    assert not list(tmp_path.glob(".firstlight-*"))


def test_lock_file_of_a_dead_pid_means_nothing(tmp_path: Path) -> None:
    (tmp_path / ".firstlight-out.lock").write_text("pid 1")
    make(tmp_path / "out", "a")
    assert not list(tmp_path.glob(".firstlight*"))


def test_lock_is_one_at_a_time(tmp_path: Path) -> None:
    first = try_lock(tmp_path / "l")
    assert first is not None
    assert try_lock(tmp_path / "l") is None
    first.release(unlink=True)
    assert not (tmp_path / "l").exists()
    assert try_lock(tmp_path / "l", create=False) is None
    second = try_lock(tmp_path / "l")
    assert second is not None
    second.release()


def test_output_that_is_not_ours_is_refused(tmp_path: Path, sample: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "me.jpg").touch()
    link = tmp_path / "link"
    link.symlink_to(photos)
    file = tmp_path / "file"
    file.touch()
    source = tmp_path / "models" / "source"
    shutil.copytree(sample, source)
    for output, why in (
        (photos, "not made by Firstlight"),
        (link, "link"),
        (file, "a file"),
        (file / "below", "a file"),
        (Path("/"), "cannot be an output"),
        (source, "inside the source"),
        (source / "deep" / "out", "inside the source"),
        (source.parent, "holds the source"),
        (tmp_path / ("n" * 300), "File name too long"),
    ):
        with pytest.raises(InputRefused, match=why):
            check_output(output, source=source)
    assert names(photos) == ["me.jpg"]


def test_source_reached_through_a_link_is_still_the_source(tmp_path: Path, sample: Path) -> None:
    shutil.copytree(sample, tmp_path / "source")
    (tmp_path / "alias").symlink_to(tmp_path / "source")
    with pytest.raises(InputRefused, match="inside the source"):
        check_output(tmp_path / "alias" / "out", source=tmp_path / "source")


def test_empty_folder_and_own_artifact_may_be_replaced(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    make(output, "a")
    assert mark_of(output) == "a"
    with pytest.raises(InputRefused, match="inside the artifact"):
        check_output(output / "sub" / "deeper")
    (output / "notes.txt").touch()
    with pytest.raises(InputRefused, match=r"notes\.txt"):
        check_output(output)


def test_output_that_appears_meanwhile_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with open_staging(output) as staging, pytest.raises(FirstlightError):
        fill(staging.artifact, "a")
        output.mkdir()
        (output / "me.jpg").touch()
        publish(staging.artifact, output)
    assert names(output) == ["me.jpg"]


def test_links_are_never_published(tmp_path: Path) -> None:
    with open_staging(tmp_path / "out") as staging, pytest.raises(InputRefused):
        (staging.artifact / "model.onnx").symlink_to("/etc/hostname")
        write_manifest(staging.artifact, {})


def test_hard_links_become_copies(tmp_path: Path) -> None:
    outside = tmp_path / "home" / "cached"
    outside.write_text("weights")
    with open_staging(tmp_path / "out") as staging:
        (staging.artifact / "model.data").hardlink_to(outside)
        write_manifest(staging.artifact, {})
        publish(staging.artifact, tmp_path / "out")
    assert (tmp_path / "out" / "model.data").stat().st_nlink == 1
    assert outside.stat().st_nlink == 1


@pytest.mark.parametrize(
    "name", ["a b", "phi-3.5", "żółć-模型", "n" * 200, "é" * 120, "new\nline", "-dash", "[b]"]
)
def test_any_name_works(tmp_path: Path, name: str) -> None:
    make(tmp_path / name, "a")
    make(tmp_path / name, "b")
    assert mark_of(tmp_path / name) == "b"
    assert names(tmp_path) == sorted([name, "home"])


def test_foreign_or_broken_manifest_is_none(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"schema": 3}', '{"schema": "other/1"}'):
        (tmp_path / MANIFEST).write_text(text)
        assert read_manifest(tmp_path) is None


def test_hashing_can_be_stopped(tmp_path: Path) -> None:
    import threading

    stop = threading.Event()
    stop.set()
    (tmp_path / "big").write_bytes(b"x")
    with pytest.raises(Interrupted):
        write_manifest(tmp_path, {}, stop=stop)


def _program(output: Path, mark: str) -> tuple[list[str], dict[str, str]]:
    program = """
import sys
from pathlib import Path
from firstlight_core.artifact.publishing import open_staging, publish, write_manifest
with open_staging(Path(sys.argv[1])) as staging:
    for name in ("model.onnx", "genai_config.json"):
        (staging.artifact / name).write_text(sys.argv[2] * 3000)
    (staging.artifact / "inference_model.json").write_text('{"Name": "x"}')
    write_manifest(staging.artifact, {"mark": sys.argv[2]})
    publish(staging.artifact, Path(sys.argv[1]))
"""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return [sys.executable, "-c", program, str(output), mark], environment


def _whole(output: Path) -> str:
    manifest = read_manifest(output)
    assert manifest is not None, "no artifact"
    for name, facts in manifest["files"].items():
        assert publishing.sha256_of(output / name) == facts["sha256"], name
    return str(manifest["mark"])


needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "old", "calls"),
    [
        ("signal=KILL", True, faultkit.SYSCALLS),
        ("signal=KILL", False, faultkit.SYSCALLS),
        ("error=ENOSPC", True, faultkit.SYSCALLS),
        ("error=EIO", True, ("fsync", "renameat2")),
    ],
)
def test_killed_or_refused_at_every_mutating_syscall(
    tmp_path: Path, mode: str, old: bool, calls: tuple[str, ...]
) -> None:
    root = tmp_path / "root"
    output = root / "me" / "out"
    command, environment = _program(output, "b")
    ready = tmp_path / "ready"
    before, _ = _program(ready / "me" / "out", "a")
    (ready / "me").mkdir(parents=True)
    if old:
        subprocess.run(before, env=environment, check=True)

    def setup() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(ready, root)

    def check() -> str | None:
        try:
            seen = faultkit.foundry_sees(str(root))
            if [p for paths in seen.values() for p in paths if p != str(output)]:
                return f"a half is visible: {seen}"
            if (output.exists() or old) and _whole(output) not in ("a", "b"):
                return "neither old nor new"
            sweep(output.parent)
            left = set(names(output.parent)) - {"out"}
            return f"left over: {left}" if left else None
        except (AssertionError, OSError) as error:
            return repr(error)

    hit, bad = faultkit.kill_everywhere(
        command, setup, check, syscalls=calls, mode=mode, env=environment
    )
    assert bad == []
    assert hit >= (10 if len(calls) == 2 else 30)


@needs_strace
@pytest.mark.slow
def test_every_file_is_on_the_disk_before_it_is_visible(tmp_path: Path) -> None:
    output = tmp_path / "root" / "out"
    output.parent.mkdir()
    command, environment = _program(output, "a")
    assert faultkit.durable_order(command, str(output), env=environment) == []
