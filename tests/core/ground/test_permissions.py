"""Folders and files that this user may not read are told as such, and nothing else is blamed."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.publishing import check_output, write_manifest
from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.files import exists, is_file, is_folder
from firstlight_core.report.verification import verify
from firstlight_core.template.parity import check_template
from tests.support.template_families import FAMILIES, write_family

AS_NOBODY_SPECIAL = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
"""Root without its privileges is kept out by permissions as everybody is."""
ASK = """
import sys
from pathlib import Path
from firstlight_core.conversion.plan import adapter_base
from firstlight_core.artifact.copying import copy_complete
from firstlight_core.report.verification import verify
from firstlight_core.errors import FirstlightError
from firstlight_core.model.inspection import inspect_model
from firstlight_core.artifact.artifact import check_artifact

closed, half, place = map(Path, sys.argv[1:])
for look in (inspect_model, adapter_base, check_artifact):
    try:
        look(closed)
    except FirstlightError as error:
        print(error)
print(*verify(half)["problems"])
place.mkdir()
try:
    copy_complete(half, place, {})
except FirstlightError as error:
    print(error)
"""


@pytest.mark.skipif(
    os.name != "posix" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="needs permissions that bind",
)
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    closed, half = tmp_path / "closed", tmp_path / "half"
    closed.mkdir()
    write_family(half, FAMILIES[0])
    weights = half / "model.onnx.data"
    weights.write_bytes(b"weights")
    write_manifest(half, {})
    closed.chmod(0)
    weights.chmod(0)
    command = [sys.executable, "-c", ASK, str(closed), str(half), str(tmp_path / "place")]
    if os.geteuid() == 0:
        command = [*AS_NOBODY_SPECIAL, *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    closed.chmod(0o755)
    assert done.stdout.splitlines() == [
        *[f"You may not read {closed}."] * 3,
        "model.onnx.data cannot be read: Permission denied.",
        f"Cannot read {weights}: Permission denied.",
    ]


async def test_what_is_no_folder_is_told_apart(tmp_path: Path) -> None:
    written = tmp_path / "written"
    written.write_text("")
    for path, message in ((tmp_path / "gone", "There is no folder"), (written, "is a file")):
        with pytest.raises(InputRefused, match=message):
            check_artifact(path)
        with pytest.raises(InputRefused, match=message):
            await check_template(path)


@pytest.fixture
def newest_pathlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.14 on these answer False where the system does not tell."""

    def silent(real: Callable[..., bool]) -> Callable[..., bool]:
        def look(self: Path, **options: Any) -> bool:
            try:
                return real(self, **options)
            except OSError:
                return False

        return look

    for name in ("exists", "is_dir", "is_file"):
        monkeypatch.setattr(Path, name, silent(getattr(Path, name)))


@pytest.mark.usefixtures("newest_pathlib")
@pytest.mark.parametrize("number", [errno.EACCES, errno.EHOSTDOWN, errno.ESTALE])
async def test_what_does_not_answer_is_no_missing_folder(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = tmp_path / "share"
    stat = Path.stat

    def stat_there(self: Path, **options: Any) -> os.stat_result:
        if share in self.parents:
            raise OSError(number, os.strerror(number), str(self))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", stat_there)
    model = share / "model"
    for look in (exists, is_folder, is_file, check_artifact, verify):
        with pytest.raises(OSError) as caught:
            look(model)
        assert caught.value.errno == number
    with pytest.raises(OSError, match=os.strerror(number)):
        await check_template(model)
    with pytest.raises(FirstlightError, match=os.strerror(number)):
        check_output(model)
    with pytest.raises(FirstlightError, match="File name too long"):
        check_output(tmp_path / ("n" * 300))


def test_what_is_nothing_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in ("gone", "file/below", "loop", "a\0b"):
        assert not exists(tmp_path / path)
    assert exists(tmp_path) and is_folder(tmp_path) and not is_file(tmp_path)
    assert is_file(tmp_path / "file") and not is_folder(tmp_path / "file")
