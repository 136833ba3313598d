"""The environment rows: what they find, and what hostile programs cannot do to them."""

import asyncio
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from firstlight_core.environment.doctor import (
    CHECKS,
    STATUSES,
    CheckResult,
    EnvironmentCheck,
    Finding,
    renew,
    report_text,
    run_checks,
    toolchain_missing,
    verdict,
)
from firstlight_core.environment.machine import (
    core_count,
    instruction_sets,
)
from firstlight_core.environment.precision_support import precision_available
from firstlight_core.environment.probes import foundry_commands, package_check
from firstlight_core.environment.program_version import (
    OUTPUT_LIMIT,
    PROBE_SECONDS,
    ask_program,
    patient,
)
from firstlight_core.environment.toolchain import (
    TOOLCHAIN,
    at_least,
    find_pair,
    install_line,
    installed_version,
    parse_version,
)
from firstlight_core.precision.table import PRECISIONS, find_precision
from firstlight_core.text import visible

Shim = Callable[[str, str], Path]


@pytest.fixture
def shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shim:
    """`shim("cmake", "sleep 1e9")` puts a program on the PATH, which holds nothing else but the system's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


async def check(name: str) -> dict[str, str]:
    document = await run_checks(only=[name])
    (row,) = document["checks"]
    return dict(row)


@pytest.mark.slow
async def test_all_rows_and_the_order(own_home: Path) -> None:
    """The real machine: every row answers in words, quick ones long before the toolchain."""
    order: list[str] = []
    quick = [row.id for row in CHECKS if row.id != "toolchain"]
    document = await run_checks(only=quick, on_result=lambda r: order.append(r.id))
    assert [row["id"] for row in document["checks"]] == quick
    assert sorted(order) == sorted(quick)
    for row in document["checks"]:
        assert row["status"] in STATUSES
        assert row["found"] and row["needed"] and row["why"]
        assert visible(row["found"]) == row["found"]
    assert {"python", "memory", "disk", "cpu", "cmake", "pair", "foundry-sdk"} <= set(quick)
    assert CHECKS[-1].id == "toolchain"
    assert all(line["satisfied"] for line in document["course"])
    # The block of the course as it stands there, Module05/04.SLMOps.Deployment.md.
    assert [line["command"] for line in document["course"]] == [
        "pip install transformers -U",
        "pip install git+https://github.com/microsoft/Olive.git",
        "git clone https://github.com/microsoft/onnxruntime-genai",
        "cd onnxruntime-genai && python build.py --config Release",
        "pip install {Your build release path}/onnxruntime_genai-0.9.0.dev0-cp311-cp311-linux_x86_64.whl",
        "pip install onnx onnxruntime numpy",
    ]
    assert all(precision["available"] for precision in document["precisions"].values())


async def test_a_slow_row_does_not_hold_the_others() -> None:
    gate = asyncio.Event()

    async def slow() -> Finding:
        await gate.wait()
        return Finding("ok", "late")

    async def quick() -> Finding:
        return Finding("ok", "early")

    rows = tuple(
        EnvironmentCheck(id=name, title=name, needed="-", why="-", look=look)
        for name, look in (("slow", slow), ("quick", quick))
    )
    seen: list[str] = []

    def heard(result: CheckResult) -> None:
        seen.append(result.id)
        gate.set()

    document = await run_checks(checks=rows, on_result=heard)
    assert seen == ["quick", "slow"]
    assert [row["id"] for row in document["checks"]] == ["slow", "quick"]


async def test_a_row_that_hangs_or_fails_is_unknown() -> None:
    async def hang() -> Finding:
        await asyncio.Event().wait()
        return Finding("ok", "never")

    async def fail() -> Finding:
        raise ZeroDivisionError("\x1b[2J no cores")

    rows = tuple(
        EnvironmentCheck(id=name, title=name, needed="-", why="-", look=look, seconds=0.05)
        for name, look in (("hang", hang), ("fail", fail))
    )
    document = await run_checks(checks=rows)
    assert [row["status"] for row in document["checks"]] == ["unknown", "unknown"]
    assert "no answer within" in document["checks"][0]["found"]
    assert "\x1b" not in document["checks"][1]["found"]


# ------------------------------------------------------------------ programs
@pytest.mark.parametrize("name", ["cmake", "foundry"])
@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("yes 'no version here'", "unknown", "could not tell"),
        ("cat; echo read-all", "unknown", "could not tell"),
        ("printf '\\033]52;c;UFdORUQ=\\007\\033[2J9.9.1\\n'", "ok", "9.9.1"),
        ("(sleep 99 &) ; echo 9.8.7", "ok", "9.8.7"),
        ("head -c 300000000 /dev/zero", "unknown", "could not tell"),
        ("echo 'cannot run' >&2; exit 3", "warning", "cannot run"),
        ("kill -SEGV $$", "warning", "failed"),
        ("printf '\\377\\376\\n'", "unknown", "could not tell"),
    ],
)
async def test_odd_programs(shim: Shim, name: str, script: str, status: str, words: str) -> None:
    shim(name, script)
    began = time.perf_counter()
    row = await check("cmake" if name == "cmake" else "foundry-command")
    assert time.perf_counter() - began < 60
    assert (row["status"], words in row["found"]) == (status, True), row
    assert visible(row["found"]) == row["found"]


async def test_a_hanging_program_and_its_children_are_ended(shim: Shim, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    shim("cmake", f"sleep 98765 & echo $! $$ > {marker}; wait")
    # A busy machine may take longer to begin it.
    for seconds in (0.5, 5, 30):
        answer = await ask_program("cmake", "--version", seconds=seconds)
        assert answer.status == "silent"
        if marker.exists() and len(marker.read_text().split()) == 2:
            break
    pids = [int(pid) for pid in marker.read_text().split()]
    # The system ends what is no child of ours in its own time.
    psutil.wait_procs([p for p in psutil.process_iter() if p.pid in pids], timeout=60)
    for pid in pids:
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


async def test_programs_that_cannot_be_run(shim: Shim) -> None:
    shim("cmake", "echo 3.31").chmod(0o644)
    shim("foundry", "").write_bytes(b"\x7fELF junk")
    # The system's own cmake may follow on the PATH: only the broken one is asked here.
    assert (await ask_program("foundry")).status == "broken"
    os.environ["PATH"] = os.environ["PATH"].split(":")[0]
    assert (await ask_program("cmake")).status == "missing"
    row = await check("cmake")
    assert (row["status"], row["found"]) == ("warning", "not installed")
    assert "pip install" in row["fix"]


async def test_output_is_capped(shim: Shim) -> None:
    shim("cmake", "yes")
    assert len((await ask_program("cmake")).text) <= OUTPUT_LIMIT


@pytest.mark.parametrize(
    ("version", "status"),
    [("3.31.0", "ok"), ("4.0.2", "ok"), ("3.30.9", "warning"), ("3.9", "warning")],
)
async def test_cmake_versions(shim: Shim, version: str, status: str) -> None:
    shim("cmake", f"echo cmake version {version}")
    assert (await check("cmake"))["status"] == status


async def test_foundry_commands_are_those_of_its_version(shim: Shim) -> None:
    shim("foundry", "echo 0.8.117+abcdef")
    assert "foundry model run NAME" in (await check("foundry-command"))["found"]
    assert foundry_commands("0.12.0")[1] == "foundry run NAME"


# ------------------------------------------------------------------ versions and pairs
@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("cmake version 3.31.0-rc2", "3.31.0rc2"),
        ("CMake-Version 3.28.3\nCMake suite", "3.28.3"),
        ("v1.2", "1.2"),
        ("foundry 0.8.117+3c7d", "0.8.117"),
        ("2.13.0+cpu", "2.13.0"),
        ("0.19.0.dev20260101", "0.19.0.dev20260101"),
        ("7", "7"),
        ("", None),
        ("version three", None),
        ("\x1b[31m", None),
        ("９.９", None),
    ],
)
def test_versions_are_read_from_anything(text: str, version: str | None) -> None:
    parsed = parse_version(text)
    assert (parsed and Version(str(parsed))) == (version and Version(version))


@settings(deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[v ]*[0-9]{1,9}[.0-9a-z+-]{0,40}", fullmatch=True))
def test_no_text_breaks_the_reading_of_versions(text: str) -> None:
    parse_version(text)
    at_least(text, "3.31")
    find_pair(text, text)


def test_unknown_version_is_not_a_verdict() -> None:
    assert at_least("no idea", "3.31") is None
    assert at_least("3.31.0", "3.31") is True
    assert at_least("3.4", "3.31") is False


def test_pairs() -> None:
    assert find_pair("0.13.0", "0.18.0").good  # type: ignore[union-attr]
    assert not find_pair("0.13.0", "0.15.2").good  # type: ignore[union-attr]
    assert find_pair("0.99", "0.18") is None
    assert find_pair("?", "0.18") is None


def test_a_half_good_pair_says_which_precisions_it_makes() -> None:
    versions = dict.fromkeys(TOOLCHAIN, "9.9") | {"olive-ai": "0.13", "onnxruntime-genai": "0.14"}
    can = {row.key: precision_available(row, read=versions.get)[0] for row in PRECISIONS}
    assert {key for key, possible in can.items() if possible} == {"fp32", "int4"}


@pytest.mark.parametrize(
    ("installed", "status", "words"),
    [
        ({"onnxruntime": "1.31.0"}, "ok", "1.31.0"),
        ({"onnxruntime": "1.20.1"}, "warning", "1.20.1"),
        ({}, "missing", "not installed"),
        ({"onnxruntime": "1.31.0", "onnxruntime-gpu": "1.31.0"}, "warning", "overwrites"),
        ({"onnxruntime-gpu": "1.31.0"}, "ok", "onnxruntime-gpu 1.31.0"),
        ({"onnxruntime": "?"}, "unknown", "?"),
    ],
)
async def test_packages(installed: dict[str, str], status: str, words: str) -> None:
    finding = await package_check("onnxruntime", read=installed.get)()
    assert (finding.status, words in finding.found) == (status, True), finding


def test_broken_metadata_is_not_installed() -> None:
    assert installed_version("no-such-package-anywhere") is None
    assert installed_version("") is None


@pytest.mark.parametrize(
    ("versions", "key", "possible", "reason"),
    [
        ({}, "int4", True, ""),
        ({"olive-ai": None}, "int4", False, "olive-ai"),
        ({"torch": None}, "fp32", False, "torch"),
        ({"onnxruntime-genai": "0.15.2"}, "int4", False, "leaves an empty folder"),
        ({"onnxruntime-genai": "0.14.1"}, "int4", True, ""),
        ({"onnxruntime-genai": "0.14.1"}, "int8", False, "only fp32 and int4"),
    ],
)
def test_availability(
    versions: dict[str, str | None], key: str, possible: bool, reason: str
) -> None:
    installed: dict[str, str | None] = {
        "olive-ai": "0.13.0",
        "onnxruntime-genai": "0.18.0",
        "onnxruntime": "1.31.0",
        "transformers": "5.23.0",
        "torch": "2.13.0",
    }
    installed |= versions
    support = precision_available(find_precision(key), read=lambda name: installed.get(name))
    assert support[0] is possible
    assert reason in support[1]
    assert not precision_available(find_precision(key), device="gpu", read=lambda _: "1")[0]


# ------------------------------------------------------------------ verdict, report, machine
def row(status: str, *, vital: bool = False, name: str = "x", found: str = "found") -> CheckResult:
    return CheckResult(
        id=name,
        title=name,
        status=status,
        found=found,
        needed="-",
        why="-",
        fix="",
        vital=vital,
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("ok")], "ready"),
        ([row("ok"), row("missing")], "warnings"),
        ([row("unknown")], "warnings"),
        ([row("warning", vital=True)], "warnings"),
        ([row("ok"), row("missing", vital=True)], "blocked"),
        ([row("fail", vital=True)], "blocked"),
    ],
)
def test_verdict(rows: list[CheckResult], expected: str) -> None:
    assert verdict([result.to_json() for result in rows]) == expected


def test_one_row_is_renewed_in_its_place() -> None:
    before = {
        "verdict": "blocked",
        "checks": [row("ok", name="a").to_json(), row("fail", vital=True, name="b").to_json()],
        "course": [],
    }
    newer = {
        "checks": [row("ok", vital=True, name="b").to_json()],
        "course": [1],
        "precisions": {},
    }
    renewed = renew(before, newer)
    assert [check["status"] for check in renewed["checks"]] == ["ok", "ok"]
    assert (renewed["verdict"], renewed["course"]) == ("ready", [1])
    assert before["verdict"] == "blocked"


def test_install_lines_name_packages_and_never_ourselves() -> None:
    line = install_line("convert")
    assert "olive-ai" in line and "torch" in line
    assert "firstlight" not in line
    assert "foundry-local-sdk" in install_line("foundry")


def test_what_blocks_decides_the_exit_code() -> None:
    def document(name: str) -> dict[str, object]:
        return {"checks": [row("fail", vital=True, name=name).to_json()]}

    assert toolchain_missing(document("toolchain"))
    assert toolchain_missing(document("olive-ai"))
    assert not toolchain_missing(document("python"))


def test_report_holds_no_name_or_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/annabelle")
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnopqrstuv")
    finding = "/home/annabelle/x hf_abcdefghijklmnopqrstuv and annabelle"
    text = report_text({"verdict": "ready", "checks": [row("ok", found=finding).to_json()]})
    assert "annabelle" not in text and "hf_" not in text
    assert re.search(r"ok\s+x: ~/x <token> and <user>", text)


def test_cores_and_instruction_sets() -> None:
    usable, total = core_count()
    assert 1 <= usable <= total
    assert instruction_sets(["AVX2", "avx512_vnni", "x"]) == ["AVX2", "AVX512-VNNI"]
    assert instruction_sets([]) == []


async def test_a_listener_that_fails_ends_the_other_checks_too() -> None:
    def full(result: CheckResult) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        await run_checks(on_result=full)
    # Nobody is left who would outlive the loop.
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("load", "cores", "seconds"),
    [(0.0, 2, 5.0), (2.0, 2, 5.0), (4.0, 2, 10.0), (100.0, 2, 20.0), (8.0, 16, 5.0)],
)
def test_a_busy_machine_is_waited_for_longer(load: float, cores: int, seconds: float) -> None:
    assert patient(PROBE_SECONDS, load=load, cores=cores) == seconds
