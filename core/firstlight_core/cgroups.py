"""Limits of the control groups of this process: memory and cores, cgroup v2 and v1, with every level above it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
_NO_LIMIT = 2**60
"""cgroup v1 writes "no limit" as a number near 2^63."""


def _levels(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of this process's group and of all groups above it, for v2 and then for one v1 controller."""
    paths = {"": "/", controller: "/"}
    with contextlib.suppress(OSError):
        for line in own.read_text(errors="replace").splitlines():
            _, controllers, path = [*line.split(":", 2), "", ""][:3]
            if controllers == "":
                paths[""] = path
            elif controller in controllers.split(","):
                paths[controller] = path
    for name, path in paths.items():
        base = root / name if name else root
        # Without a cgroup namespace a container names groups that its mount does not show: those are passed over.
        below = Path(path.lstrip("/"))
        if ".." in below.parts:
            below = Path()
        for level in (below, *below.parents):
            yield base / level


def _number(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text().strip())
    return None


def _reclaimable(level: Path) -> int:
    """Bytes of file cache that the kernel gives back before it ends a process for memory."""
    with contextlib.suppress(OSError, ValueError):
        for line in (level / "memory.stat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name in ("total_inactive_file", "inactive_file"):
                return int(count)
    return 0


def memory_limit(*, root: Path = ROOT, own: Path = OWN) -> int | None:
    """Return the smallest memory limit in bytes; None when there is none."""
    limits = []
    for level in _levels("memory", root, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _number(level / name)
            if limit is not None and limit < _NO_LIMIT:
                limits.append(limit)
    return min(limits, default=None)


def memory_left(*, root: Path = ROOT, own: Path = OWN) -> int | None:
    """Bytes this process may still take before the tightest limit is reached; None without a limit."""
    left = []
    for level in _levels("memory", root, own):
        for name, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit = _number(level / name)
            if limit is not None and limit < _NO_LIMIT:
                usage = (_number(level / used) or 0) - _reclaimable(level)
                left.append(max(0, limit - max(0, usage)))
    return min(left, default=None)


def cpu_quota(*, root: Path = ROOT, own: Path = OWN) -> float | None:
    """Cores that the tightest quota allows; None without a quota."""
    quotas = []
    for level in _levels("cpu", root, own):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (level / "cpu.max").read_text().split()[:2]
            if quota != "max":
                quotas.append(int(quota) / int(period))
        quota_us, period_us = (_number(level / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
        if quota_us and period_us and quota_us > 0 and period_us > 0:
            quotas.append(quota_us / period_us)
    return min(quotas, default=None)


def oom_kills() -> int:
    """Return how often the kernel has ended a process for memory so far: cgroup v2, cgroup v1, whole machine."""
    total = 0
    for name in (
        "/sys/fs/cgroup/memory.events",
        "/sys/fs/cgroup/memory/memory.oom_control",
        "/proc/vmstat",
    ):
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in Path(name).read_text().splitlines():
                if line.startswith("oom_kill "):
                    total += int(line.split()[1])
    return total
