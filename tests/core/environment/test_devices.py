"""What Linux, macOS and Windows tell of processor and accelerators, and what cannot work on which system."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from firstlight_core.environment import probes
from firstlight_core.environment.devices import accelerators, processor_name, system_cpu_flags
from firstlight_core.environment.machine import System, describe_system, instruction_sets

DISPLAY = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
NPU = r"SYSTEM\CurrentControlSet\Control\Class\{f01a9d53-3ff6-48d2-9f97-c8a7004be10c}"


def registry(keys: Mapping[str, list[str]]):
    return lambda key, name: (
        keys.get(key, []) if name in ("DriverDesc", "ProcessorNameString") else []
    )


def test_linux_shows_devices(tmp_path: Path) -> None:
    assert accelerators(tmp_path, system="Linux") == []
    (tmp_path / "dev" / "accel").mkdir(parents=True)
    (tmp_path / "dev" / "accel" / "accel0").touch()
    assert accelerators(tmp_path, system="Linux") == ["NPU"]


def test_a_copilot_pc_has_a_gpu_and_an_npu() -> None:
    keys = {
        DISPLAY: ["Qualcomm(R) Adreno(TM) X1-85 GPU", "Microsoft Remote Display Adapter"],
        NPU: ["Snapdragon(R) X Elite - NPU"],
    }
    assert accelerators(system="Windows", registry=registry(keys)) == [
        "Qualcomm(R) Adreno(TM) X1-85 GPU",
        "Snapdragon(R) X Elite - NPU",
    ]


def test_windows_without_one_was_looked_at() -> None:
    keys = {DISPLAY: ["Microsoft Basic Display Adapter"]}
    assert accelerators(system="Windows", registry=registry(keys)) == []


def test_nobody_says_none_where_nobody_looked() -> None:
    assert accelerators(system="Windows", registry=registry({})) is None
    assert accelerators(system="Darwin", machine="x86_64") is None
    assert accelerators(system="FreeBSD", machine="amd64") is None
    assert accelerators(system="Darwin", machine="arm64") == ["Apple GPU and Neural Engine"]


async def test_the_row_says_what_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async def providers() -> dict[str, list[str]]:
        return {"providers": ["CPUExecutionProvider"]}

    monkeypatch.setattr(probes, "_ask_providers", providers)
    for devices, words in (
        (None, "CPU; accelerators of this system are not looked for"),
        ([], "CPU; no accelerator found"),
        (["NPU"], "CPU; found and not used: NPU"),
    ):
        monkeypatch.setattr(probes, "accelerators", lambda devices=devices: devices)
        assert (await probes.look_at_providers()).found == words


def test_cpu_flags_of_each_system(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_bytes(b"processor: 0\nFeatures\t: fp asimd asimddp\n\xff")
    linux = system_cpu_flags(system="Linux", cpuinfo=tmp_path / "cpuinfo")
    assert instruction_sets(linux) == ["NEON", "DotProd"]
    assert system_cpu_flags(system="Linux", cpuinfo=tmp_path / "none") == []
    apple = {
        "hw.optional.neon": "1",
        "hw.optional.arm.FEAT_DotProd": "1",
        "hw.optional.arm.FEAT_I8MM": "0",
    }
    assert instruction_sets(system_cpu_flags(system="Darwin", read=lambda n: apple.get(n, ""))) == [
        "NEON",
        "DotProd",
    ]

    class Kernel:
        def IsProcessorFeaturePresent(self, number: int) -> int:
            return int(number == 40)

    assert instruction_sets(system_cpu_flags(system="Windows", kernel=Kernel())) == ["AVX2"]


def test_the_processor_has_its_makers_name(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU\n")
    assert processor_name(system="Linux", cpuinfo=tmp_path / "cpuinfo") == "Some CPU"
    assert processor_name(system="Darwin", read=lambda name: "Apple M3") == "Apple M3"
    keys = {r"HARDWARE\DESCRIPTION\System\CentralProcessor": ["Some CPU  "] * 8}
    assert processor_name(system="Windows", registry=registry(keys)) == "Some CPU"
    assert processor_name(system="Windows", registry=registry({}))


@pytest.mark.parametrize(
    ("facts", "usable", "says"),
    [
        ({"system": "Linux", "machine": "x86_64", "libc": ("glibc", "2.36")}, True, ""),
        ({"system": "Linux", "machine": "x86_64", "libc": ("", "")}, False, "glibc only"),
        ({"system": "Linux", "machine": "x86_64", "libc": ("glibc", "2.17")}, False, "glibc 2.28"),
        (
            {"system": "Linux", "machine": "aarch64", "libc": ("glibc", "2.31")},
            True,
            "foundry-local-sdk needs glibc 2.34",
        ),
        ({"system": "Linux", "machine": "aarch64", "libc": ("glibc", "2.36")}, True, ""),
        (
            {"system": "Linux", "machine": "riscv64", "libc": ("glibc", "2.36")},
            False,
            "x86-64 and aarch64",
        ),
        ({"system": "Darwin", "machine": "arm64", "release": "14.5"}, True, ""),
        ({"system": "Darwin", "machine": "arm64", "release": "13.6.1"}, False, "need macOS 14"),
        ({"system": "Darwin", "machine": "x86_64", "release": "15.1"}, False, "Intel Macs"),
        (
            {
                "system": "Windows",
                "machine": "AMD64",
                "release": "10.0.26100",
                "built_for": "win-amd64",
            },
            True,
            "",
        ),
        (
            {"system": "Windows", "machine": "ARM64", "release": "10.0", "built_for": "win-arm64"},
            True,
            "no torch",
        ),
        (
            {"system": "Windows", "machine": "ARM64", "release": "10.0", "built_for": "win-amd64"},
            True,
            "",
        ),
        (
            {
                "system": "Windows",
                "machine": "AMD64",
                "release": "10.0",
                "built_for": "win32",
                "sixty_four": False,
            },
            False,
            "64-bit",
        ),
        ({"system": "FreeBSD", "machine": "amd64"}, False, "no wheels"),
    ],
)
def test_what_cannot_work_is_said(facts: dict[str, object], usable: bool, says: str) -> None:
    system = describe_system(**facts)  # type: ignore[arg-type]
    assert system.usable is usable
    assert says in system.lacks and bool(system.lacks) is bool(says)


async def test_the_environment_step_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        probes, "describe_system", lambda: System("macOS 13.6 arm64", "no", usable=False)
    )
    assert (await probes.look_at_system()) == probes.Finding("fail", "macOS 13.6 arm64: no")
    monkeypatch.setattr(probes, "describe_system", lambda: System("Windows 11 ARM64", "no torch"))
    assert (await probes.look_at_system()).status == "warning"
