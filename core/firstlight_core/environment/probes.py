"""The probe of each row of the environment step; every text that it returns is safe to show."""

import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast, get_args

from firstlight_core.cgroups import memory_limit
from firstlight_core.documents.environment import CheckStatus
from firstlight_core.documents.jobs_machine import (
    PROBE,
    CpuReply,
    ProbeReply,
    ProbeRequest,
    ProvidersReply,
    ToolchainReply,
)
from firstlight_core.environment.devices import accelerators, processor_name, system_cpu_flags
from firstlight_core.environment.machine import (
    core_count,
    describe_system,
    instruction_sets,
    terminal_state,
)
from firstlight_core.environment.program_version import ProgramAnswer, ask_program
from firstlight_core.environment.toolchain import (
    CONVERT_PACKAGES,
    TWINS,
    ReadVersion,
    at_least,
    find_pair,
    install_line,
    installed_version,
    missing_packages,
    parse_version,
    pip_line,
)
from firstlight_core.errors import FirstlightError, ToolchainMissing
from firstlight_core.monitor import available_memory
from firstlight_core.paths import find_paths
from firstlight_core.process.runner import job_result
from firstlight_core.text import bytes_text, one_line

STATUSES: tuple[CheckStatus, ...] = get_args(CheckStatus)
MEMORY_NEEDED = 8 * 2**30
"""Bytes available; the course's requirement."""
DISK_NEEDED = 5 * 2**30
"""Bytes free; a 0.5 B model takes 4 GB while it is converted to FP32 (twice its output)."""
CMAKE_NEEDED = "3.31"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one probe: a status, a text, and the command that would fix it."""

    status: CheckStatus
    found: str
    fix: str = ""


async def _probe(request: ProbeRequest) -> ProbeReply:
    return await job_result(PROBE, request)


async def _ask_cpu() -> CpuReply:
    return cast(CpuReply, await _probe({"what": "cpu"}))


async def _ask_toolchain() -> ToolchainReply:
    return cast(ToolchainReply, await _probe({"what": "toolchain"}))


async def _ask_providers() -> ProvidersReply:
    return cast(ProvidersReply, await _probe({"what": "providers"}))


async def look_at_python() -> Finding:
    """Check the running Python."""
    version = f"{platform.python_version()} ({platform.python_implementation()})"
    if sys.version_info < (3, 11):  # noqa: UP036  (a copied source tree can be run by any Python)
        return Finding(
            "fail", version, "Install Python 3.11 or newer: onnxruntime-genai has no wheel below."
        )
    return Finding("ok", version)


async def look_at_system() -> Finding:
    """Check the operating system, and first of all what cannot work on it."""
    system = describe_system()
    if not system.lacks:
        return Finding("ok", system.name)
    return Finding("warning" if system.usable else "fail", f"{system.name}: {system.lacks}")


async def look_at_cpu() -> Finding:
    """Cores this process may use, and the instruction sets that decide int4 speed."""
    usable, total = core_count()
    cores = f"{usable} cores" if usable == total else f"{usable} of {total} cores"
    try:
        cpu = await _ask_cpu()
        brand, flags = cpu["brand"], cpu["flags"]
    except FirstlightError:
        brand, flags = processor_name(), []
    # py-cpuinfo tells no flags of Apple silicon and often only old ones on Windows.
    sets = instruction_sets([*flags, *system_cpu_flags()])
    words = ", ".join([cores, brand, *(sets or ["instruction sets unknown"])])
    if not sets:
        return Finding("unknown", words)
    return Finding("ok" if {"AVX2", "NEON"} & set(sets) else "warning", words)


async def look_at_memory() -> Finding:
    """Memory that a job may take now."""
    free = available_memory()
    limit = memory_limit()
    words = f", limited to {bytes_text(limit)} by a control group" if limit is not None else ""
    status: CheckStatus = "ok" if free >= MEMORY_NEEDED else "warning"
    return Finding(status, f"{bytes_text(free)} available{words}")


async def look_at_disk() -> Finding:
    """Free space where the work goes."""
    folder = find_paths().work
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    fix = "" if free >= DISK_NEEDED else "firstlight clean"
    return Finding("ok" if not fix else "warning", f"{bytes_text(free)} free", fix)


def _program_version(answer: ProgramAnswer, name: str) -> tuple[Finding | None, str]:
    """Return a finding when the program gave no version, else the version."""
    if answer.status == "missing":
        return Finding("missing", "not installed"), ""
    if answer.status != "ok":
        return Finding("warning", one_line(f"{name} {answer.text or 'failed'}")), ""
    version = parse_version(answer.text)
    if version is None:
        return Finding("unknown", "could not tell its version"), ""
    return None, str(version)


async def look_at_cmake() -> Finding:
    """Check the cmake on the PATH."""
    finding, version = _program_version(await ask_program("cmake", "--version"), "cmake")
    fix = pip_line(f"cmake>={CMAKE_NEEDED}")
    if finding is not None:
        status: CheckStatus = "warning" if finding.status == "missing" else finding.status
        return Finding(status, finding.found, fix)
    if at_least(version, CMAKE_NEEDED):
        return Finding("ok", version)
    return Finding("warning", version, fix)


def package_check(
    name: str, *, read: ReadVersion = installed_version
) -> Callable[[], Awaitable[Finding]]:
    """Looks for one package of `CONVERT_PACKAGES`, and for other builds of it that would overwrite it."""

    async def look() -> Finding:
        twins = [twin for twin in TWINS.get(name, ()) if read(twin) is not None]
        version = read(name)
        if version is None and not twins:
            return Finding("missing", "not installed", install_line("convert"))
        if twins and (version is not None or len(twins) > 1):
            both = ", ".join([name, *twins] if version is not None else twins)
            remove = f"python -m pip uninstall {' '.join(twins)}"
            return Finding("warning", f"{both}: one overwrites the other's files", remove)
        version = version or f"{twins[0]} {read(twins[0])}"
        new_enough = at_least(version, CONVERT_PACKAGES[name])
        if new_enough is None:
            return Finding("unknown", version)
        fix = "" if new_enough else install_line("convert")
        return Finding("ok" if new_enough else "warning", version, fix)

    return look


async def look_at_pair() -> Finding:
    """Check whether these versions of Olive and genai were run together."""
    olive, genai = installed_version("olive-ai"), installed_version("onnxruntime-genai")
    if olive is None or genai is None:
        return Finding("missing", "one of the two is not installed", install_line("convert"))
    pair = find_pair(olive, genai)
    words = f"olive-ai {olive} × onnxruntime-genai {genai}"
    if pair is None:
        return Finding("warning", f"{words}: never run together here", install_line("convert"))
    return Finding(
        "ok" if pair.good else "fail",
        f"{words}: {pair.words}",
        "" if pair.good else install_line("convert"),
    )


async def look_at_toolchain() -> Finding:
    """Check whether Olive and the builder really import and hold what the conversion calls."""
    if missing := missing_packages():
        return Finding("missing", "not installed: " + ", ".join(missing), install_line("convert"))
    try:
        toolchain = await _ask_toolchain()
    except ToolchainMissing as error:
        return Finding("fail", str(error), install_line("convert"))
    except FirstlightError as error:
        return Finding(
            "fail", f"Importing Olive and the builder failed: {error}", install_line("convert")
        )
    lost = [
        name
        for name, able in (("FP16", toolchain["half"]), ("LoRA merging", toolchain["merge"]))
        if not able
    ]
    if lost:
        return Finding(
            "warning", "works, but without " + " and ".join(lost), install_line("convert")
        )
    return Finding(
        "ok", "Olive and the model builder load and have every function the conversion needs"
    )


async def look_at_foundry_sdk() -> Finding:
    """Check the Foundry Local SDK."""
    version = installed_version("foundry-local-sdk")
    if version is None:
        return Finding("missing", "not installed", install_line("foundry"))
    return Finding("ok", version)


async def look_at_foundry_command() -> Finding:
    """Check the foundry command, and the commands of its version."""
    finding, version = _program_version(await ask_program("foundry", "--version"), "foundry")
    if finding is not None:
        return finding
    return Finding("ok", f"{version}: {', '.join(foundry_commands(version))}")


def foundry_commands(version: str) -> tuple[str, ...]:
    """Return the commands of this `foundry` version that list and run a model (FACTS.md, "Foundry Local")."""
    if at_least(version, "0.10"):
        return ("foundry cache list", "foundry run NAME", "foundry server status")
    return ("foundry cache ls", "foundry model run NAME", "foundry service status")


async def look_at_providers() -> Finding:
    """Check on which execution providers the installed onnxruntime runs."""
    try:
        providers = await _ask_providers()
    except FirstlightError as error:
        return Finding("fail", str(error), "python -m pip install --force-reinstall onnxruntime")
    names = [name.removesuffix("ExecutionProvider") for name in providers["providers"]]
    # The Azure provider calls a cloud service; it is listed by every build and used by nothing here.
    names = [name for name in names if name != "Azure"]
    status: CheckStatus = "ok" if "CPU" in names else "fail"
    idle = accelerators()
    if idle is None:
        words = "; accelerators of this system are not looked for"
    else:
        words = f"; found and not used: {', '.join(idle)}" if idle else "; no accelerator found"
    return Finding(status, (", ".join(names) or "none") + words)


async def look_at_terminal() -> Finding:
    """Check the terminal the wizard would draw on."""
    words, lacks = terminal_state()
    return Finding("warning" if lacks else "ok", ", ".join([words, *lacks]))
