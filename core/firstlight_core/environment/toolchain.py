"""The converter's packages: which versions are installed, and which pairs are known to work together.

Versions are read from package metadata, never by importing; the child of `jobs/probe.py` then really looks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from firstlight_core.shells import command_line
from firstlight_core.text import one_line

CONVERT_PACKAGES: dict[str, str] = {
    "olive-ai": "0.13",
    "onnxruntime-genai": "0.18",
    "onnxruntime": "1.31",
    "onnx": "1.18",
    "transformers": "5.0",
    "torch": "2.10",
    "numpy": "1.26",
    "peft": "0.18",
}
"""Package → the oldest version that was run together with Firstlight (FACTS.md, constraints.txt)."""
TWINS: dict[str, tuple[str, ...]] = {
    "onnxruntime": (
        "onnxruntime-gpu",
        "onnxruntime-directml",
        "onnxruntime-openvino",
        "onnxruntime-qnn",
    ),
    "onnxruntime-genai": ("onnxruntime-genai-cuda", "onnxruntime-genai-directml"),
}
"""Builds of one package that install into the same folder: with two of them neither is whole."""
TOOLCHAIN = ("olive-ai", "onnxruntime-genai", "onnxruntime", "transformers", "torch")
"""Without these nothing can be converted."""
COURSE_INSTALLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pip install transformers -U", ("transformers",)),
    ("pip install git+https://github.com/microsoft/Olive.git", ("olive-ai",)),
    ("git clone https://github.com/microsoft/onnxruntime-genai", ("onnxruntime-genai",)),
    ("cd onnxruntime-genai && python build.py --config Release", ("onnxruntime-genai",)),
    (
        "pip install {Your build release path}/onnxruntime_genai-0.9.0.dev0-cp311-cp311-linux_x86_64.whl",
        ("onnxruntime-genai",),
    ),
    ("pip install onnx onnxruntime numpy", ("onnx", "onnxruntime", "numpy")),
)
"""The course's install block, line by line, and the packages that each line is there for.

Source: EdgeAI for Beginners, Module05/04.SLMOps.Deployment.md, "Installing Required Tools", at commit
e88f123a4bb5796594919db3a13257c429d1288c; its comment lines are left out.
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A tested pair of olive-ai × onnxruntime-genai (FACTS.md, "Installing"; each was run)."""

    olive: str
    genai: str
    good: bool
    """Whether every precision converts."""
    words: str
    plain: bool = False
    """Whether the precisions that need no good pair convert with it."""


_RUNS_CODE = "only fp32 and int4, and this genai runs code from model folders"
PAIRS: tuple[Pair, ...] = (
    Pair("0.13", "0.18", True, "compatible (through Firstlight's compatibility layer)"),
    Pair("0.13", "0.13", False, _RUNS_CODE, plain=True),
    Pair("0.13", "0.14", False, _RUNS_CODE, plain=True),
    Pair("0.13", "0.15", False, "Olive reports success and leaves an empty folder"),
    Pair("0.13", "0.16", False, "Olive does not find onnxruntime_genai.models.quantized_model"),
    Pair("0.13", "0.17", False, "Olive does not find onnxruntime_genai.models.quantized_model"),
)

ReadVersion = Callable[[str], str | None]


def installed_version(package: str) -> str | None:
    """Return the version in the package's metadata; None when it is not installed or its metadata is broken."""
    try:
        version = metadata.version(package)
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError):
        return None
    return one_line(version, 60) if isinstance(version, str) else None


_VERSION = re.compile(
    r"(?<![0-9.])[0-9]{1,6}(?:\.[0-9]{1,8}){1,3}(?:[-.]?(?:rc|a|b|dev|post)\.?[0-9]{0,10})?"
)


def parse_version(text: str) -> Version | None:
    """Return the first version number with a dot in the output of a program, or the text itself; None without one."""
    match = _VERSION.search(text)
    try:
        return Version(match[0] if match else text.strip()[:20])
    except InvalidVersion:
        return None


def at_least(text: str, needed: str) -> bool | None:
    """Return whether a version text is `needed` or newer; None when it holds no version."""
    version = parse_version(text)
    return None if version is None else version >= Version(needed)


def find_pair(olive: str, genai: str) -> Pair | None:
    """Return the tested pair of these versions, compared by major and minor number."""

    def short(text: str) -> str:
        version = parse_version(text)
        return f"{version.major}.{version.minor}" if version else ""

    wanted = (short(olive), short(genai))
    return next((pair for pair in PAIRS if (pair.olive, pair.genai) == wanted), None)


def missing_packages(read: ReadVersion = installed_version) -> list[str]:
    """Return the packages without which nothing can be converted, and which are not installed."""
    return [package for package in TOOLCHAIN if read(package) is None]


@cache
def install_line(extra: str) -> str:
    """Return the pip line for the packages of one extra, from Firstlight's own metadata.

    Never `firstlight[extra]`: an index could answer that name with a stranger's package.
    """
    try:
        lines = metadata.requires("firstlight") or []
    except metadata.PackageNotFoundError:
        lines = []
    wanted = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker and not marker.evaluate({"extra": ""}) and marker.evaluate({"extra": extra}):
            requirement.marker = None
            wanted.append(str(requirement))
    return pip_line(*wanted) if wanted else "Install Firstlight again."


def pip_line(*words: str) -> str:
    """Return the command that lets this Python's pip install these requirements, quoted for the user's shell."""
    return command_line(["python", "-m", "pip", "install", *words])
