"""The rows of the environment step: what each needs, why, and its probe."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from firstlight_core.environment.probes import (
    CMAKE_NEEDED,
    Finding,
    look_at_cmake,
    look_at_cpu,
    look_at_disk,
    look_at_foundry_command,
    look_at_foundry_sdk,
    look_at_memory,
    look_at_pair,
    look_at_providers,
    look_at_python,
    look_at_system,
    look_at_terminal,
    look_at_toolchain,
    package_check,
)
from firstlight_core.environment.program_version import PROBE_SECONDS
from firstlight_core.environment.toolchain import CONVERT_PACKAGES, TOOLCHAIN

TOOLCHAIN_SECONDS = 90.0
"""Importing Olive takes 3 to 10 s, and more on a cold disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentCheck:
    """One row: what is needed, why, and the probe; a `vital` row that is missing or fails blocks."""

    id: str
    title: str
    needed: str
    why: str
    look: Callable[[], Awaitable[Finding]]
    vital: bool = False
    seconds: float = PROBE_SECONDS


_PACKAGE_WHY = {
    "olive-ai": "Olive drives the conversion.",
    "onnxruntime-genai": "Its builder writes the artifact, its runtime speaks it.",
    "onnxruntime": "Runs the graph.",
    "onnx": "Reads and writes the graph.",
    "transformers": "Reads the source model; the reference for drift.",
    "torch": "Holds the source weights while they are converted.",
    "numpy": "Arithmetic on logits.",
    "peft": "Merges LoRA adapters into their base.",
}

CHECKS: tuple[EnvironmentCheck, ...] = (
    EnvironmentCheck(
        id="python",
        title="Python",
        needed="3.11 or newer (the course says 3.10)",
        why="onnxruntime-genai has wheels from 3.11 on.",
        look=look_at_python,
        vital=True,
    ),
    EnvironmentCheck(
        id="system",
        title="Operating system",
        needed="Linux (glibc), macOS on Apple silicon, or Windows",
        why="The packages have wheels for these.",
        look=look_at_system,
    ),
    EnvironmentCheck(
        id="cpu",
        title="CPU",
        needed="AVX2 or NEON; VNNI, AMX or dotprod make int4 faster",
        why="These instructions decide how fast int4 weights are multiplied.",
        look=look_at_cpu,
    ),
    EnvironmentCheck(
        id="memory",
        title="Memory",
        needed="8 GiB available (course)",
        why="Converting holds the weights several times; the model's own prediction decides.",
        look=look_at_memory,
    ),
    EnvironmentCheck(
        id="disk",
        title="Disk",
        needed="5 GiB free where the work goes",
        why="Olive builds in a cache and copies: twice the artifact, three times for FP16.",
        look=look_at_disk,
    ),
    EnvironmentCheck(
        id="cmake",
        title="CMake",
        needed=f"{CMAKE_NEEDED} or newer (course)",
        why="Only to build onnxruntime-genai from source; the wheel needs none.",
        look=look_at_cmake,
    ),
    *(
        EnvironmentCheck(
            id=name,
            title=name,
            needed=f"{oldest} or newer",
            why=_PACKAGE_WHY[name],
            look=package_check(name),
            vital=name in TOOLCHAIN,
        )
        for name, oldest in CONVERT_PACKAGES.items()
    ),
    EnvironmentCheck(
        id="pair",
        title="Olive × genai",
        needed="a pair that was run together",
        why="Most pairs convert nothing, and some say that they did.",
        look=look_at_pair,
        vital=True,
    ),
    EnvironmentCheck(
        id="providers",
        title="Execution providers",
        needed="CPU",
        why="What the installed onnxruntime can run on.",
        look=look_at_providers,
    ),
    EnvironmentCheck(
        id="foundry-sdk",
        title="Foundry Local SDK",
        needed="optional",
        why="Without it an artifact cannot be registered with Foundry Local; everything else works.",
        look=look_at_foundry_sdk,
    ),
    EnvironmentCheck(
        id="foundry-command",
        title="foundry command",
        needed="optional",
        why="Without it models are run by the SDK; its own commands are not there to copy.",
        look=look_at_foundry_command,
    ),
    EnvironmentCheck(
        id="terminal",
        title="Terminal",
        needed="80×24, UTF-8",
        why="The wizard draws on it.",
        look=look_at_terminal,
    ),
    EnvironmentCheck(
        id="toolchain",
        title="Toolchain",
        needed="Olive and the builder import",
        why="Version numbers alone would pass where the conversion fails.",
        look=look_at_toolchain,
        vital=True,
        seconds=TOOLCHAIN_SECONDS,
    ),
)
"""Every row of the environment step, in order; the slow one last."""
