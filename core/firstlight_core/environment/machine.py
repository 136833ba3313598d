"""Describe this machine: cores, instruction sets, operating system, terminal. Nothing here starts a process."""

import contextlib
import locale
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from firstlight_core.cgroups import cpu_quota

INSTRUCTION_SETS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AVX2", ("avx2",)),
    ("AVX-512", ("avx512f",)),
    ("AVX-VNNI", ("avx_vnni", "avxvnni")),
    ("AVX512-VNNI", ("avx512_vnni", "avx512vnni")),
    ("AMX-INT8", ("amx_int8", "amxint8")),
    ("NEON", ("asimd", "neon")),
    ("DotProd", ("asimddp", "dotprod")),
    ("I8MM", ("i8mm",)),
)
"""Name → the flags that say so; these decide how fast int4 weights are multiplied."""

_GLIBC, _GLIBC_FOUNDRY_AARCH64, _MACOS = "2.28", "2.34", "14.0"
"""Oldest versions: of the manylinux tags of onnxruntime and of foundry-local-sdk, and of their macosx tag."""


def core_count() -> tuple[int, int]:
    """Cores this process may use (affinity and cgroup quota), and cores of the machine; at least 1 each."""
    total = os.cpu_count() or 1
    usable = total
    if hasattr(os, "sched_getaffinity"):
        with contextlib.suppress(OSError):
            usable = min(usable, len(os.sched_getaffinity(0)))
    if (quota := cpu_quota()) is not None:
        usable = min(usable, max(1, round(quota)))
    return max(1, usable), max(1, total)


def instruction_sets(flags: Iterable[str]) -> list[str]:
    """Return the sets of `INSTRUCTION_SETS` that these CPU flags contain."""
    known = {flag.lower() for flag in flags}
    return [name for name, signs in INSTRUCTION_SETS if known.intersection(signs)]


@dataclass(frozen=True, slots=True)
class System:
    """The operating system's name, and what does not work on it; `usable` is false when nothing does."""

    name: str
    lacks: str = ""
    usable: bool = True


def describe_system(
    *,
    system: str | None = None,
    machine: str | None = None,
    release: str | None = None,
    libc: tuple[str, str] | None = None,
    built_for: str | None = None,
    sixty_four: bool = sys.maxsize > 2**32,
) -> System:
    """Describe the operating system and what the packages that Firstlight needs do not offer on it.

    `release` is the version of macOS or Windows; `libc` the C library and its version; `built_for` what the running
    Python was built for, which decides about wheels (`sysconfig.get_platform()`). Wheels: looked up in November 2026.
    """
    system, machine = system or platform.system(), machine or platform.machine()
    built_for = built_for or sysconfig.get_platform()
    if system == "Linux":
        return _describe_linux(machine, libc or platform.libc_ver())
    if system == "Darwin":
        return _describe_macos(machine, release if release is not None else platform.mac_ver()[0])
    if system == "Windows":
        version = release if release is not None else platform.version()
        return _describe_windows(f"Windows {version} {machine}", built_for, sixty_four)
    return System(
        f"{system or 'unknown'} {machine}".strip(),
        "onnxruntime has no wheels for this system: nothing can be converted or run here",
        usable=False,
    )


def _describe_linux(machine: str, libc: tuple[str, str]) -> System:
    library, version = libc
    name = f"Linux {machine}, {library or 'another C library'} {version}".strip()
    if library != "glibc":
        return System(
            name,
            "onnxruntime has wheels for glibc only (not for Alpine's musl): nothing can be converted or run here",
            usable=False,
        )
    if machine not in ("x86_64", "aarch64"):
        return System(name, "onnxruntime has wheels for x86-64 and aarch64 only", usable=False)
    if (older := _older(version, _GLIBC)) or (
        machine == "aarch64" and _older(version, _GLIBC_FOUNDRY_AARCH64)
    ):
        needed = _GLIBC if older else _GLIBC_FOUNDRY_AARCH64
        return System(
            name,
            f"{'onnxruntime' if older else 'foundry-local-sdk'} needs glibc {needed}: "
            + ("nothing can be converted or run here" if older else "deploy with --target folder"),
            usable=not older,
        )
    return System(name)


def _describe_macos(machine: str, release: str) -> System:
    name = f"macOS {release} {machine}".replace("  ", " ")
    if machine != "arm64":
        return System(
            name,
            "onnxruntime and torch have no wheels for Intel Macs (nor for a Python that runs under Rosetta): "
            "nothing can be converted or run here",
            usable=False,
        )
    if _older(release, _MACOS):
        return System(
            name,
            f"onnxruntime and torch need macOS {_MACOS}: nothing can be converted or run here",
            usable=False,
        )
    return System(name)


def _describe_windows(name: str, built_for: str, sixty_four: bool) -> System:
    if not sixty_four or built_for == "win32":
        return System(
            f"{name}, 32-bit Python",
            "onnxruntime has wheels for a 64-bit Python only: install that one",
            usable=False,
        )
    if built_for == "win-arm64":
        return System(
            name,
            "the package index has no torch for Windows on Arm: convert with an x64 Python or on another machine; "
            "artifacts run here",
        )
    return System(name)


def _older(version: str, needed: str) -> bool:
    """Return whether a version of numbers is older; one that cannot be read is not."""
    try:
        return [*map(int, version.split("."))] < [*map(int, needed.split("."))]
    except ValueError:
        return False


def terminal_state(environ: Mapping[str, str] = os.environ) -> tuple[str, list[str]]:
    """Return the terminal's name, and the features that it lacks for the wizard."""
    if not (sys.stdout.isatty() or sys.stderr.isatty()):
        return "no terminal here (the verbs need none)", []
    size = shutil.get_terminal_size()
    kind = environ.get("TERM", "")
    true_colour = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    colours = "16 million" if true_colour else "256" if "256" in kind else "16"
    unicode = "utf" in (locale.getpreferredencoding(False) or "").lower()
    lacks = []
    if size.columns < 80 or size.lines < 24:
        lacks.append("smaller than 80×24")
    if kind in ("", "dumb"):
        lacks.append("TERM says that it cannot draw")
    if not unicode:
        lacks.append("no UTF-8 locale")
    words = f"{size.columns}×{size.lines}, {colours} colours, {'UTF-8' if unicode else 'no UTF-8'}"
    return words, lacks
