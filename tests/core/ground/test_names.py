"""Names and paths on every system's own ground: devices, forbidden characters, length, case, read-only media."""

import errno
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from firstlight_core.artifact import publishing
from firstlight_core.artifact.inference_model import check_name
from firstlight_core.artifact.publishing import check_output, open_staging, write_manifest
from firstlight_core.errors import FirstlightError, InputRefused, StateProblem, UsageError
from firstlight_core.exports import bundle_zip
from firstlight_core.exports.bundle_zip import names_problem, write_bundle
from firstlight_core.exports.verify import verify_bundle
from firstlight_core.files import state_problem, system_problem
from firstlight_core.paths import name_problem, path_problem, same_place
from tests.support.windows import windows_error


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("model.onnx", None),
        (".hidden", None),
        ("console", None),
        ("Modell für 模型", None),
        ("CON", "is the name of a device on Windows"),
        ("nul", "is the name of a device on Windows"),
        ("aux.txt", "is the name of a device on Windows"),
        ("com1.tar.gz", "is the name of a device on Windows"),
        ("COM\u00b9", "is the name of a device on Windows"),
        ("nul .txt", "is the name of a device on Windows"),
        ("model.", "ends with a dot, which Windows takes away"),
        ("model ", "ends with a space, which Windows takes away"),
        ("what?.onnx", "holds ?, which Windows does not allow in a name"),
        ("a:b", "holds :, which Windows does not allow in a name"),
        ("a\nb", "holds a control character, which Windows does not allow in a name"),
        ("x" * 256, "is longer than 255 characters"),
        ("模" * 86, "is longer than 255 characters"),
    ],
)
def test_a_name_for_every_system(name: str, problem: str | None) -> None:
    assert name_problem(name) == problem


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (r"C:\models\out", None),
        (r"\\server\share\models\out", None),
        (r"C:\models\aux.txt\out", "aux.txt is the name of a device"),
        (r"C:\models\out.", "ends with a dot"),
        (r"C:\models\a<b", "holds <"),
        ("C:\\models\\" + "x" * 150, "limit of 260"),
    ],
)
def test_a_windows_path(path: str, says: str | None) -> None:
    problem = path_problem(PureWindowsPath(path), platform="win32", depth=130, long_paths=False)
    assert (problem is None) if says is None else (says in str(problem))


def test_long_paths_may_be_switched_on() -> None:
    path = PureWindowsPath("C:\\" + "\\".join(["x" * 100] * 5))
    assert path_problem(path, platform="win32", long_paths=True) is None
    assert "limit of 260" in str(path_problem(path, platform="win32", long_paths=False))


def test_other_systems_have_no_such_names() -> None:
    assert path_problem(PurePosixPath("/models/aux.txt/a:b."), platform="linux") is None


@pytest.mark.parametrize("name", ["aux.txt", "con", "a:b", "dot.", "x" * 100, "x" * 200])
def test_an_output_that_windows_cannot_hold_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_windows(path: Path, *, depth: int) -> str | None:
        return path_problem(path, platform="win32", depth=depth, long_paths=False)

    monkeypatch.setattr(publishing, "path_problem", on_windows)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputRefused) as caught:
        check_output(tmp_path / name)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert caught.value.hint
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["CON", "nul.x", "aux.", "com1"])
def test_a_deployment_travels(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def artifact(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in ("model.onnx", *names):
        (folder / name).write_text(name)
    write_manifest(folder, {})
    return folder


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("aux.txt",), "the name is the name of a device"),
        (("a:b",), "holds :"),
        (("end. ",), "ends with a space"),
        (("Readme.md", "README.MD"), "one file on systems"),
    ],
)
def test_a_bundle_travels_or_is_not_written(
    names: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    folder = artifact(tmp_path / "artifact", *names)
    with pytest.raises(InputRefused, match=says):
        write_bundle(folder, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
    assert sorted(path.name for path in folder.iterdir() if path.name in names) == sorted(names)


def test_a_bundle_with_a_device_in_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(artifact(tmp_path / "ours"), tmp_path / "ours.zip")
    assert verify_bundle(tmp_path / "ours.zip")["ok"]
    # As another program would write it.
    monkeypatch.setattr(bundle_zip, "check_names", lambda names: None)
    write_bundle(artifact(tmp_path / "theirs", "nul.x"), tmp_path / "theirs.zip")
    verdict = verify_bundle(tmp_path / "theirs.zip")
    assert not verdict["ok"]
    assert any(
        "model/nul.x: the name is the name of a device" in row for row in verdict["problems"]
    )
    assert names_problem(["a/b", "A/b"]) is not None
    assert names_problem(["a/b", "a/c"]) is None


def test_a_source_in_another_spelling_is_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS and Windows take Model for model; a link stands for that here."""
    source = tmp_path / "model"
    source.mkdir()
    (tmp_path / "Model").symlink_to(source)
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)
    monkeypatch.setattr(Path, "resolve", lambda self, strict=False: self)
    assert same_place(tmp_path / "Model", source)
    with pytest.raises(InputRefused, match="inside the source"):
        check_output(tmp_path / "Model", source=source)
    with pytest.raises(InputRefused, match="inside the source"):
        check_output(tmp_path / "Model" / "out", source=source)


@pytest.mark.parametrize(
    "number", [errno.EROFS, errno.EACCES, errno.ENOTCONN, errno.EHOSTDOWN, errno.ESTALE, errno.EIO]
)
def test_media_that_refuse_and_drives_that_vanish_are_one_sentence(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = tmp_path / "kept"
    earlier.write_text("kept")
    mkdir = Path.mkdir

    def refused(self: Path, *args: object, **options: object) -> None:
        if self.name.startswith(".firstlight-"):
            raise OSError(number, os.strerror(number), str(self))
        mkdir(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(FirstlightError) as caught, open_staging(tmp_path / "out"):
        pytest.fail("It was opened")
    assert isinstance(caught.value, StateProblem)
    assert caught.value.exit_code == 1 and caught.value.hint
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["kept"]


@pytest.mark.slow
def test_a_console_of_windows_1252_shows_what_it_can(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", "inspect", str(tmp_path / "Größe-模型")],
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    words = (done.stdout + done.stderr).decode("cp1252")
    assert done.returncode == 1, words
    assert "Größe-\\u6a21\\u578b" in words and "Traceback" not in words


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError(errno.ENOTCONN, "x"), "does not answer"),
        (OSError(errno.ESTALE, "x"), "does not answer"),
        (OSError(errno.ENODEV, "x"), "does not answer"),
        (OSError(errno.EROFS, "x"), "read-only"),
        (windows_error(19, "E:\\a"), "read-only"),
        (windows_error(21, "E:\\a"), "does not answer"),
        (windows_error(39, "E:\\a"), "disk is full"),
        (windows_error(53, "\\\\s\\a"), "does not answer"),
        (windows_error(64, "S:\\a"), "does not answer"),
        (windows_error(206, "C:\\a"), "too long"),
        (windows_error(33, "C:\\a"), "Another program"),
    ],
)
def test_the_remedy_is_that_of_the_code_and_the_words_are_the_systems(
    error: OSError, hint: str
) -> None:
    for problem in (state_problem(error, Path("a")), system_problem(error)):
        assert hint in problem.hint
        assert str(problem).endswith(".") and "\n" not in str(problem)
        if getattr(error, "winerror", None):
            assert error.strerror in str(problem)
