"""Whatever stops a deployment: one sentence, nothing of the new one left, the old one as it was."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.deploy.deployment import deploy, find_deployment
from firstlight_core.errors import FirstlightError, InputRefused, UsageError
from firstlight_core.foundry.runtime import open_foundry
from firstlight_core.foundry.service import check_port, open_service
from firstlight_core.paths import find_paths
from tests.core.deploy.test_deployment import (
    flip,
    left_behind,
    registered,
    truncate,
)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def short_weights_of_nobody(folder: Path) -> None:
    """Without a manifest only the runtime can tell."""
    truncate(folder)
    (folder / "firstlight.json").unlink()


SPOILED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no chat template": (without("chat_template.jinja"), "no chat template"),
    "weights truncated": (truncate, "5 bytes instead of"),
    "weights changed": (flip, "other content, same size"),
    "weights truncated, no manifest": (short_weights_of_nobody, "weights are truncated"),
    "weights lost": (without("model.onnx.data"), "model.onnx.data"),
    "tokenizer lost": (without("tokenizer.json"), "tokenizer.json is missing"),
}


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs", "clean_children")
async def test_the_old_deployment_survives_every_failed_replacement(
    own_artifact: Path, tmp_path: Path
) -> None:
    old = Path((await deploy(own_artifact, "a"))["path"])
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    for case, (spoil, message) in SPOILED.items():
        spoiled = Path(shutil.copytree(own_artifact, tmp_path / case))
        spoil(spoiled)
        for name, replace in (("a", True), ("b", False)):
            with pytest.raises(FirstlightError) as caught:
                await deploy(spoiled, name, replace=replace)
            assert message in str(caught.value) and "\n" not in str(caught.value), case
            assert caught.value.hint, case
        assert {path.name: path.read_bytes() for path in old.iterdir()} == before, case
        assert find_deployment("b") is None and not (old.parent / "b").exists(), case
    assert [d for d in left_behind() if not d.startswith("models/custom/a/")] == []
    assert await registered() == ["a:1"]
    async with open_foundry() as job:
        await job.request("load", id="a:1")


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_a_registration_that_is_not_ours_is_left_alone(own_artifact: Path) -> None:
    async with open_foundry() as job:
        await job.request("register", folder=str(own_artifact), id="a:1")
    with pytest.raises(InputRefused, match="already has a model of this name"):
        await deploy(own_artifact, "a")
    assert await registered() == ["a:1"] and find_deployment("a") is None
    # The version is another one, the name is the same.
    async with open_foundry() as job:
        assert (await job.request("unregister", name="a", folder="/elsewhere"))["removed"] == []


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_a_folder_that_was_deleted_by_hand_does_not_block_its_name(
    own_artifact: Path,
) -> None:
    shutil.rmtree((await deploy(own_artifact, "a"))["path"])
    assert await registered() == ["a:1"]
    assert (await deploy(own_artifact, "a"))["verified"]
    assert await registered() == ["a:1"]


# Disks ------------------------------------------------------------------------------------------------

NAMESPACES = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
)
needs_mounts = pytest.mark.skipif(
    not NAMESPACES, reason="this system lets nobody mount a file system of his own"
)
RUN = """
set -u; disk=$1; options=$2; artifact=$3; python=$4
mount -t tmpfs -o "$options" tmpfs "$disk"
export FIRSTLIGHT_HOME=$disk
deploy() { "$python" -m firstlight_tui deploy "$artifact" --json "$@" 2>>"$disk.err"; }
"""
FULL_BY_NAMES = """
deploy --name a >"$disk.first.json"
i=0; while true 2>/dev/null >"$disk/f$i"; do i=$((i+1)); done 2>/dev/null
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do rm "$disk/f$i"; done
deploy --name a --replace >"$disk.json"; code=$?
rm "$disk"/f*
deploy --name b >/dev/null; [ $? = 0 ] || exit 99
"$python" -m firstlight_tui deploy --name b --undo --json >/dev/null 2>&1
find "$disk/data" -type f >"$disk.left"
exit $code
"""
READ_ONLY = """
deploy --name a >"$disk.first.json"
mount -o remount,ro "$disk"
deploy --name b >"$disk.json"; code=$?
find "$disk/data" -type f >"$disk.left"
exit $code
"""
READ_ONLY_INDEX = """
deploy --name a >"$disk.first.json"
mount --bind "$disk/data/foundry" "$disk/data/foundry"
mount -o remount,bind,ro "$disk/data/foundry"
deploy --name b >"$disk.json"; code=$?
find "$disk/data" -type f >"$disk.left"
exit $code
"""


def on_a_disk(tmp_path: Path, artifact: Path, options: str, script: str) -> tuple[Any, list[str]]:
    """Run a script on a small file system of its own: the document it left, and the files that are still there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = [str(disk), options, str(artifact), sys.executable]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", RUN + script, "sh", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    errors = Path(f"{disk}.err").read_text()
    assert done.returncode == 1, (done.returncode, done.stderr, errors)
    assert "Traceback" not in errors
    assert json.loads(Path(f"{disk}.first.json").read_text())["verified"]
    left = [str(Path(line).relative_to(disk)) for line in Path(f"{disk}.left").read_text().split()]
    allowed = ("data/foundry/", "data/models/custom/a/")
    return json.loads(Path(f"{disk}.json").read_text()), [
        name for name in left if not name.startswith(allowed)
    ]


@needs_mounts
@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "script", "message"),
    [
        ("size=64m,nr_inodes=120", FULL_BY_NAMES, "No space left on device"),
        ("size=64m", READ_ONLY, "ead-only file system"),
        ("size=64m", READ_ONLY_INDEX, "ead-only"),
    ],
    ids=["full", "read-only", "read-only-index"],
)
@pytest.mark.usefixtures("clean_children")
def test_a_full_or_read_only_disk_is_one_sentence(
    own_artifact: Path, tmp_path: Path, options: str, script: str, message: str
) -> None:
    document, left = on_a_disk(tmp_path, own_artifact, options, script)
    assert not document["ok"] and message in document["error"]["message"]
    assert "\n" not in document["error"]["message"] and document["error"]["hint"]
    assert left == []


@needs_mounts
@pytest.mark.real
def test_a_disk_without_room_is_known_before_anything_is_copied(
    own_artifact: Path, tmp_path: Path
) -> None:
    script = 'echo \'{"verified": true}\' >"$disk.first.json"; deploy --name b >"$disk.json"; code=$?; find "$disk" -path "*/data/*" -type f >"$disk.left"; exit $code'
    document, left = on_a_disk(tmp_path, own_artifact, "size=1m", script)
    assert "not enough room" in document["error"]["message"] and left == []


# Ports ------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_or_none() -> None:
    assert check_port(0) == 0
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with pytest.raises(UsageError, match="cannot be used: another program uses it"):
            check_port(busy.getsockname()[1])
    with pytest.raises(UsageError, match="65536 is no port"):
        check_port(65536)


@pytest.mark.skipif(not NAMESPACES, reason="no user namespaces here")
def test_a_port_of_the_system_is_one_sentence() -> None:
    program = (
        "from firstlight_core.foundry.service import check_port\n"
        "from firstlight_core.errors import UsageError\n"
        "try:\n    check_port(80)\nexcept UsageError as error:\n    print(error, error.hint)\n"
    )
    done = subprocess.run(
        ["unshare", "-r", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ},
    )
    message = "Port 80 is kept for the system's own services. Choose one from 1024 on"
    if not done.stdout.strip():
        pytest.skip("this system lets everybody have port 80")
    assert done.stdout.startswith(message), done.stderr


@pytest.mark.real
@pytest.mark.usefixtures("clean_children")
async def test_a_port_that_is_taken_meanwhile_is_one_sentence(own_artifact: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        async with open_foundry(port=port) as job:
            with pytest.raises(UsageError, match="port is taken"):
                await job.request("serve")
        with pytest.raises(UsageError, match="another program uses it"):
            async with open_service(str(own_artifact), port=port):
                pass
    async with open_service(str(own_artifact), port=port) as service:
        assert f":{port}/" in service.base_url
    # A restart takes the same port at once.
    async with open_service(str(own_artifact), port=port) as service:
        assert f":{port}/" in service.base_url
    assert find_paths().models.exists() is False
