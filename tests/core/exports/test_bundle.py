"""Bundles: whole, reproducible, and every change, trap and damage of one is seen without unpacking it."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.publishing import read_manifest, write_manifest
from firstlight_core.deploy.deployment import deploy
from firstlight_core.errors import InputRefused
from firstlight_core.exports.bundle import bundle_export
from firstlight_core.exports.bundle_zip import SUMS, write_bundle
from firstlight_core.exports.export import undo_export
from firstlight_core.paths import find_paths
from firstlight_core.report.digest import content_digest
from firstlight_core.report.verification import verify
from tests.support.template_families import FAMILIES, write_family

WEIGHTS = "model/model.onnx"


def small_artifact(folder: Path) -> Path:
    made = write_family(folder, FAMILIES[0])
    (made / "model.onnx").write_bytes(b"weights" * 100)
    write_manifest(made, {"precision": "int4"})
    return made


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    write_bundle(
        small_artifact(tmp_path / "artifact"), path, licences={"LICENSE": b"Use it well.\n"}
    )
    return path


def entries_of(folder: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(folder) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rewritten(folder: Path, entries: dict[str, bytes], *, how: int = zipfile.ZIP_STORED) -> Path:
    other = folder.with_name("b.zip")
    with zipfile.ZipFile(other, "w", how) as made:
        for name, raw in entries.items():
            made.writestr(name, raw)
    return other


def test_a_bundle_is_whole_and_says_how_to_use_it(bundle: Path, tmp_path: Path) -> None:
    verdict = verify(bundle)
    assert verdict["ok"] and verdict["kind"] == "bundle" and verdict["problems"] == []
    entries = entries_of(bundle)
    assert verdict["files"] == len(entries) - 1
    assert entries[WEIGHTS] == (tmp_path / "artifact" / "model.onnx").read_bytes()
    assert entries["licences/LICENSE"] == b"Use it well.\n"
    assert {"README.md", "chat.py", "Program.cs", "sample.csproj"} <= entries.keys()


def test_the_same_artifact_makes_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "artifact").rglob("*"):
        os.utime(path, (10**9, 10**9))
    again = tmp_path / "again.zip"
    write_bundle(tmp_path / "artifact", again, licences={"LICENSE": b"Use it well.\n"})
    assert again.read_bytes() == bundle.read_bytes()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_the_checksums_are_those_of_sha256sum(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(tmp_path / "unpacked")
    command = ["sha256sum", "--strict", "--check", "--quiet", SUMS]
    assert subprocess.run(command, cwd=tmp_path / "unpacked", timeout=30).returncode == 0


@pytest.mark.parametrize(
    "name,raw,problem",
    [
        (WEIGHTS, b"x", f"{WEIGHTS} has another checksum."),
        (WEIGHTS, None, f"{WEIGHTS} is missing."),
        ("evil.py", b"x", "evil.py does not belong to it."),
        ("../evil", b"x", "../evil would be unpacked outside its folder."),
        ("/etc/evil", b"x", "/etc/evil would be unpacked outside its folder."),
        ("a\\..\\evil", b"x", "a\\..\\evil would be unpacked outside its folder."),
        ("C:evil", b"x", "C:evil would be unpacked outside its folder."),
        ("model/folder/", b"", "model/folder/ is not a regular file."),
        ("\x1b[31mred", b"x", "␛[31mred does not belong to it."),
    ],
)
def test_every_change_is_one_sentence(
    bundle: Path, name: str, raw: bytes | None, problem: str
) -> None:
    entries = entries_of(bundle)
    entries.pop(name, None)
    if raw is not None:
        entries[name] = raw
    verdict = verify(rewritten(bundle, entries))
    assert not verdict["ok"] and verdict["problems"] == [problem]


def test_a_link_is_seen(bundle: Path) -> None:
    entries = entries_of(bundle)
    path = rewritten(bundle, {k: v for k, v in entries.items() if k != WEIGHTS})
    link = zipfile.ZipInfo(WEIGHTS)
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as made:
        made.writestr(link, "/etc/passwd")
    assert verify(path)["problems"] == [f"{WEIGHTS} is not a regular file."]


def test_a_bomb_is_not_read(bundle: Path) -> None:
    bomb = b"\0" * 50_000_000
    entries = entries_of(bundle) | {WEIGHTS: bomb}
    entries[SUMS] = entries[SUMS].replace(
        hashlib.sha256(entries_of(bundle)[WEIGHTS]).hexdigest().encode(),
        hashlib.sha256(bomb).hexdigest().encode(),
    )
    verdict = verify(rewritten(bundle, entries, how=zipfile.ZIP_DEFLATED))
    assert not verdict["ok"] and "is compressed" in verdict["problems"][0]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_and_overlapping_ones_are_seen(bundle: Path) -> None:
    path = rewritten(bundle, entries_of(bundle))
    with zipfile.ZipFile(path, "a") as made:
        made.writestr(WEIGHTS, b"x")
    assert verify(path)["problems"] == [f"{WEIGHTS} stands in it 2 times."]
    entries = entries_of(bundle)
    path = rewritten(bundle, entries)
    raw = bytearray(path.read_bytes())
    # Every entry of the central directory claims to be as large as the whole file.
    spot = raw.find(b"PK\x01\x02")
    while spot >= 0:
        raw[spot + 20 : spot + 28] = len(raw).to_bytes(4, "little") * 2
        spot = raw.find(b"PK\x01\x02", spot + 4)
    path.write_bytes(raw)
    assert verify(path)["problems"] == [
        "Its entries overlap: together they are larger than the file."
    ]


def test_a_deployment_is_named_by_its_name(tmp_path: Path) -> None:
    folder = find_paths().models / "custom" / "mine-int4"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_text("weights")
    write_manifest(folder, {"precision": "int4", "deployment": {"target": "folder"}})
    document = verify(Path("mine-int4"))
    assert (document["path"], document["ok"]) == (str(folder), True)
    (folder / "model.onnx").write_text("others")
    assert verify(Path("mine-int4"))["problems"] == ["model.onnx has another checksum."]
    with pytest.raises(InputRefused, match="is not there"):
        verify(Path("other-int4"))


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04 broken", b"no zip"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(InputRefused, match=r"a\.zip"):
        verify(tmp_path / "a.zip")
    with pytest.raises(InputRefused, match="is not there"):
        verify(tmp_path / "nothing.zip")
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(InputRefused, match="neither a file nor a folder"):
        verify(tmp_path / "pipe.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as made:
        made.writestr("a", "b")
    with pytest.raises(InputRefused, match="no bundle of Firstlight"):
        verify(tmp_path / "other.zip")


def test_a_damaged_bundle_never_passes_for_another_one(bundle: Path) -> None:
    chance = random.Random(6)
    whole = bundle.read_bytes()
    for _ in range(300):
        raw = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        raw = raw[: chance.randrange(len(raw) // 2, len(raw) + 1)] if chance.random() < 0.2 else raw
        bundle.write_bytes(raw)
        try:
            verdict = verify(bundle)
        except InputRefused:
            continue
        # What is not seen is not content: a date or a right of an entry.
        assert not verdict["ok"] or entries_of(bundle) == entries_of_bytes(whole, bundle)


def entries_of_bytes(raw: bytes, beside: Path) -> dict[str, bytes]:
    bundle = beside.with_name("whole.zip")
    bundle.write_bytes(raw)
    return entries_of(bundle)


def digested(content: dict[str, Any]) -> str:
    return json.dumps({**content, "digest": {"content": content_digest(content)}})


def test_a_folder_and_a_report_are_verified(tmp_path: Path) -> None:
    folder = small_artifact(tmp_path / "artifact")
    assert verify(folder)["ok"]
    report = tmp_path / "report.json"
    drifted = {"worst": [{"original": "An answer.", "artifact": "Another answer."}]}
    content = {"conversions": [{"artifact": str(folder)}], "quality": [{"drift": drifted}]}
    report.write_text(digested(content))
    assert verify(report)["ok"] and verify(report)["kind"] == "report"
    (folder / "model.onnx").write_bytes(b"other")
    assert verify(folder)["problems"] == ["model.onnx has another checksum."]
    assert verify(report)["problems"] == ["artifact: model.onnx has another checksum."]
    report.write_text(digested({"model": {"artifact": str(tmp_path / "gone")}}))
    assert verify(report)["problems"] == [f"{tmp_path / 'gone'} is not there."]
    for nothing in ({}, {"conversions": 1, "model": []}, {"conversions": [1, {"artifact": []}]}):
        report.write_text(json.dumps(nothing))
        with pytest.raises(InputRefused, match="names no artifact"):
            verify(report)


def test_a_report_knows_the_artifact_it_was_written_of(tmp_path: Path) -> None:
    folder = small_artifact(tmp_path / "artifact")
    sums = {name: file["sha256"] for name, file in (read_manifest(folder) or {})["files"].items()}
    report = tmp_path / "report.json"
    report.write_text(digested({"conversions": [{"artifact": str(folder), "sha256": sums}]}))
    assert verify(report)["ok"] and verify(report)["files"] == len(sums) + 1
    (folder / "model.onnx").write_bytes(b"of a later conversion")
    write_manifest(folder, {})
    assert verify(folder)["ok"]
    assert verify(report)["problems"] == ["artifact: model.onnx has another checksum."]


async def test_a_cancelled_bundle_leaves_what_stood_there(tmp_path: Path) -> None:
    folder = small_artifact(tmp_path / "artifact")
    file = tmp_path / "exports" / "a.zip"
    file.parent.mkdir()
    file.write_bytes(b"old")
    document = {"Name": "a"}
    heard: list[object] = []

    def say(event: object) -> None:
        heard.append(event)
        task.cancel()

    task = asyncio.create_task(bundle_export(folder, file, document, source=None, say=say))
    # However far it came when the first byte was told of, nothing half-written is there.
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert heard and [path.name for path in file.parent.iterdir()] == ["a.zip"]
    assert file.read_bytes() == b"old" or verify(file)["ok"]
    again = await bundle_export(folder, file, document, source=None, say=heard.append)
    assert again["verified"] and verify(file)["ok"]


@pytest.mark.real
@pytest.mark.slow
async def test_the_samples_bundle_speaks(own_artifact: Path, tmp_path: Path) -> None:
    document = await deploy(own_artifact, "sample", target="bundle")
    path = Path(document["path"])
    assert document["verified"] and verify(path)["ok"]
    assert document["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "No licence file" in document["notes"][0]
    with zipfile.ZipFile(path) as opened:
        opened.extractall(tmp_path / "unpacked")
    done = subprocess.run(
        [sys.executable, "chat.py", "What is int4 quantization?"],
        cwd=tmp_path / "unpacked",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "4 bits" in done.stdout
    with pytest.raises(InputRefused, match="a bundle export sample already"):
        await deploy(own_artifact, "sample", target="bundle")
    again = await deploy(own_artifact, "sample", target="bundle", replace=True)
    assert again["sha256"] == document["sha256"]
    undo_export("sample", "bundle")
    assert not (find_paths().data / "exports").exists()
    with pytest.raises(InputRefused, match="no bundle export"):
        undo_export("sample", "bundle")
