"""Folders and files that this user may not read are told as such, and nothing else is blamed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.publishing import write_manifest
from firstlight_core.errors import InputRefused
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
