"""Find processor and accelerators of this machine where each system records them; no process is started."""

import contextlib
import ctypes
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.text import one_line

ReadRegistry = Callable[[str, str], Sequence[str]]
"""Takes a key below HKEY_LOCAL_MACHINE and a value name; returns that value of each subkey that has it."""
ReadSystemText = Callable[[str], str]
"""Takes a name of sysctl(3); returns its value, empty when there is none."""

_LINUX_DEVICES: tuple[tuple[str, str], ...] = (
    ("NVIDIA GPU", "dev/nvidia0"),
    ("AMD GPU (ROCm)", "dev/kfd"),
    ("NPU", "dev/accel/accel0"),
    ("GPU", "dev/dri/renderD128"),
)
_CLASSES = r"SYSTEM\CurrentControlSet\Control\Class"
_WINDOWS_CLASSES = (
    # Display adapters, and compute accelerators (NPUs); device setup classes of Windows.
    rf"{_CLASSES}\{{4d36e968-e325-11ce-bfc1-08002be10318}}",
    rf"{_CLASSES}\{{f01a9d53-3ff6-48d2-9f97-c8a7004be10c}}",
)
_NO_DEVICES = ("microsoft basic", "microsoft remote", "microsoft hyper-v")
"""Display adapters that are a program."""
_WINDOWS_PROCESSOR = r"HARDWARE\DESCRIPTION\System\CentralProcessor"
_WINDOWS_FEATURES: tuple[tuple[int, str], ...] = (
    (40, "avx2"),
    (41, "avx512f"),
    (19, "neon"),
    (43, "dotprod"),
)
"""Numbers of IsProcessorFeaturePresent (winnt.h, PF_…) and the flags that they stand for."""
_APPLE_FEATURES: tuple[tuple[str, str], ...] = (
    ("hw.optional.neon", "neon"),
    ("hw.optional.arm.AdvSIMD", "neon"),
    ("hw.optional.arm.FEAT_DotProd", "dotprod"),
    ("hw.optional.arm.FEAT_I8MM", "i8mm"),
    ("hw.optional.avx2_0", "avx2"),
    ("hw.optional.avx512f", "avx512f"),
)


def read_registry(key: str, name: str) -> list[str]:
    """Return a text value of every subkey of a registry key; empty where there is no registry."""
    values: list[str] = []
    if sys.platform == "win32":
        import winreg

        with (
            contextlib.suppress(OSError),
            winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as parent,
        ):
            for index in range(winreg.QueryInfoKey(parent)[0]):
                # Some subkeys may be read by the system only.
                with (
                    contextlib.suppress(OSError),
                    winreg.OpenKey(parent, winreg.EnumKey(parent, index)) as child,
                ):
                    values.append(str(winreg.QueryValueEx(child, name)[0]))
    return values


def read_system_text(name: str) -> str:
    """Return a value of sysctl(3), numbers as decimal digits; empty where there is none."""
    if sys.platform != "darwin":
        return ""
    size, value = ctypes.c_size_t(256), ctypes.create_string_buffer(256)
    try:
        call = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError, TypeError):
        return ""
    if call(name.encode(), value, ctypes.byref(size), None, 0) != 0:
        return ""
    if size.value in (4, 8) and not name.endswith("string"):
        return str(int.from_bytes(value.raw[: size.value], sys.byteorder))
    return value.value.decode("utf-8", "replace")


def accelerators(
    root: Path = Path("/"),
    *,
    system: str | None = None,
    machine: str | None = None,
    registry: ReadRegistry = read_registry,
) -> list[str] | None:
    """Return the accelerators that the system lists; None on systems without a known way. Opens no device.

    Linux: devices. Windows: the device classes of display adapters and of compute accelerators. Apple silicon has its
    own; other Macs have GPUs that nothing here could use, and are not looked at.
    """
    system, machine = system or platform.system(), machine or platform.machine()
    if system == "Linux":
        devices = [name for name, device in _LINUX_DEVICES if (root / device).exists()]
        return devices[:1] if devices == ["NVIDIA GPU", "GPU"] else devices
    if system == "Darwin" and machine == "arm64":
        return ["Apple GPU and Neural Engine"]
    if system == "Windows":
        names = [
            one_line(name, 60) for key in _WINDOWS_CLASSES for name in registry(key, "DriverDesc")
        ]
        if not names:
            # Even a virtual machine has a display adapter: the registry could not be read.
            return None
        real = [name for name in names if not name.lower().startswith(_NO_DEVICES)]
        return list(dict.fromkeys(real))
    return None


def processor_name(
    *,
    system: str | None = None,
    cpuinfo: Path = Path("/proc/cpuinfo"),
    registry: ReadRegistry = read_registry,
    read: ReadSystemText = read_system_text,
) -> str:
    """Return the processor's name as its maker writes it, else its architecture."""
    system = system or platform.system()
    name = ""
    if system == "Linux":
        with contextlib.suppress(OSError):
            for line in cpuinfo.read_text(errors="replace").splitlines():
                if line.startswith("model name"):
                    name = line.partition(":")[2]
                    break
    elif system == "Darwin":
        name = read("machdep.cpu.brand_string")
    elif system == "Windows":
        name = next(iter(registry(_WINDOWS_PROCESSOR, "ProcessorNameString")), "")
    return one_line(name.strip() or platform.processor() or platform.machine(), 80)


def _kernel32() -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32")
    return None


def system_cpu_flags(
    *,
    system: str | None = None,
    cpuinfo: Path = Path("/proc/cpuinfo"),
    read: ReadSystemText = read_system_text,
    kernel: Any = None,
) -> list[str]:
    """Return the CPU flags that the system itself tells, in the words of Linux; empty where it tells none.

    Windows tells fewer than the processor has.
    """
    system = system or platform.system()
    if system == "Linux":
        with contextlib.suppress(OSError):
            for line in cpuinfo.read_text(errors="replace").splitlines():
                key, _, value = line.partition(":")
                if key.strip().lower() in ("flags", "features"):
                    return value.split()
    elif system == "Darwin":
        return list(dict.fromkeys(flag for name, flag in _APPLE_FEATURES if read(name) == "1"))
    elif system == "Windows" and (library := kernel or _kernel32()) is not None:
        return [
            flag for number, flag in _WINDOWS_FEATURES if library.IsProcessorFeaturePresent(number)
        ]
    return []
