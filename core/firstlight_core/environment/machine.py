"""What this machine is: cores, instruction sets, operating system, terminal. Nothing here starts a process."""

import contextlib
import locale
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

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
    """The sets of `INSTRUCTION_SETS` that these CPU flags contain."""
    known = {flag.lower() for flag in flags}
    return [name for name, signs in INSTRUCTION_SETS if known.intersection(signs)]


def kernel_cpu_flags(path: Path = Path("/proc/cpuinfo")) -> list[str]:
    """The CPU flags that a Linux kernel tells; empty elsewhere."""
    with contextlib.suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() in ("flags", "features"):
                return value.split()
    return []


_ACCELERATORS: tuple[tuple[str, str], ...] = (
    ("NVIDIA GPU", "/dev/nvidia0"),
    ("AMD GPU (ROCm)", "/dev/kfd"),
    ("NPU", "/dev/accel/accel0"),
    ("GPU", "/dev/dri/renderD128"),
)


def accelerators(root: Path = Path("/")) -> list[str]:
    """Accelerators whose device a Linux kernel shows, and Apple's own; nothing is opened."""
    devices = [name for name, device in _ACCELERATORS if (root / device.lstrip("/")).exists()]
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        devices.append("Apple GPU and Neural Engine")
    return devices[:1] if devices == ["NVIDIA GPU", "GPU"] else devices


def system_name() -> tuple[str, bool]:
    """The operating system in words, and whether the packages used have wheels for it."""
    system, machine = platform.system(), platform.machine()
    if system == "Linux":
        libc, version = platform.libc_ver()
        good = libc == "glibc" and machine in ("x86_64", "aarch64")
        return f"Linux {machine}, {libc or 'another C library'} {version}".strip(), good
    if system == "Darwin":
        return f"macOS {platform.mac_ver()[0]} {machine}", machine == "arm64"
    if system == "Windows":
        return f"Windows {platform.version()} {machine}", machine in ("AMD64", "ARM64")
    return f"{system or 'unknown'} {machine}", False


def terminal_state(environ: Mapping[str, str] = os.environ) -> tuple[str, list[str]]:
    """The terminal in words, and what the wizard will miss on it."""
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
