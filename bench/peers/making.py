"""What a user has before anything runs: artifact, GGUF files; their size, and the time and memory of making them."""

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measuring import timed
from bench.peers.document import Run, Sizes
from bench.peers.interleaving import Subject, run_in_turns
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.models import (
    CALIBRATED,
    INT4,
    LLAMA_FORMATS,
    NEAREST,
    OLIVE,
    TUNED,
    PeerModel,
    llama_name,
)
from bench.terminal import firstlight
from firstlight_core.process.offline import OFFLINE

REPEATS = 2
TUNING_BUDGET = "1.15x"
"""Times the drift of INT4: SmolLM2's then stays below Q4_0's."""
_BY_HAND = Path(__file__).parents[1] / "hand_olive.py"
_DEVICE = {"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}


@dataclass(frozen=True, slots=True)
class Folders:
    """Where everything of one model lies: `root/KEY` is the source, `root/peers/KEY` what is made of it."""

    root: Path
    model: PeerModel
    machine: str
    """Name of this machine in results."""

    @property
    def source(self) -> Path:
        """The Hugging Face folder."""
        return self.root / self.model.key

    @property
    def made(self) -> Path:
        """The folder of all that is made."""
        return self.root / "peers" / self.model.key

    @property
    def int4(self) -> Path:
        """Firstlight's default artifact."""
        return self.made / "int4"

    @property
    def calibrated(self) -> Path:
        """The artifact of `--precision int4-calibrated`."""
        return self.made / "calibrated"

    @property
    def nearest(self) -> Path:
        """The artifact of `--calibration none`."""
        return self.made / "nearest"

    @property
    def tuned(self) -> Path:
        """The fastest build that `firstlight tune` finds for the source within `TUNING_BUDGET`; of a source without a chat
        template a copy of INT4 with the fastest threads."""
        return self.made / "tuned"

    @property
    def olive(self) -> Path:
        """The folder that Olive works in when it is run by hand."""
        return self.made / "olive"

    @property
    def olive_model(self) -> Path:
        """Olive's own artifact."""
        return self.olive / "output"

    def gguf(self, quantisation: str) -> Path:
        """The GGUF file of a format of llama.cpp."""
        return self.made / f"{quantisation.lower()}.gguf"

    @property
    def artifacts(self) -> dict[str, Path]:
        """Firstlight's artifacts that are there, by their names in tables."""
        paths = {
            INT4: self.int4,
            TUNED: self.tuned,
            CALIBRATED: self.calibrated,
            NEAREST: self.nearest,
        }
        return {name: path for name, path in paths.items() if path.is_dir()}

    def sizes(self) -> list[Sizes]:
        """Bytes on disk of every artifact and file that is there."""
        paths = {**self.artifacts, OLIVE: self.olive_model}
        paths |= {llama_name(q): self.gguf(q) for q in LLAMA_FORMATS}
        return [
            {
                "model": self.model.key,
                "machine": self.machine,
                "subject": name,
                "bytes": _bytes_of(path),
            }
            for name, path in paths.items()
            if path.exists()
        ]


class Conversion:
    """`firstlight convert`, the whole command on a machine that has never seen the source."""

    pids: Sequence[int] = ()

    def __init__(self, name: str, folders: Folders, target: Path, *options: str) -> None:
        self.name = name
        self._folders = folders
        self._target = target
        self._options = options

    async def repeat(self) -> Mapping[str, float]:
        """Convert anew."""
        home = self._folders.made / "home"
        for folder in (self._target, home):
            shutil.rmtree(folder, ignore_errors=True)
        source, target = self._folders.source, self._target
        command: list[str | Path] = [firstlight(), "convert", source, "-o", target, *self._options]
        figures = await _timed(command, _home(home))
        if preset := self._folders.model.template_preset:
            await _timed([firstlight(), "template", target, "--preset", preset], _home(home))
        return figures


class OliveByHand:
    """Olive's ModelBuilder pass with `precision: int4` and nothing else said."""

    name = OLIVE
    pids: Sequence[int] = ()

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def repeat(self) -> Mapping[str, float]:
        """Convert anew."""
        folder = self._folders.olive
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        config = folder / "config.json"
        config.write_text(json.dumps(olive_config(self._folders.source, folder)), "utf-8")
        return await _timed([sys.executable, _BY_HAND, config], OFFLINE)


class Quantisation:
    """llama.cpp's converter to 16 bits, then its quantiser."""

    pids: Sequence[int] = ()

    def __init__(self, folders: Folders, llama: LlamaCpp, quantisation: str) -> None:
        self.name = llama_name(quantisation)
        self._folders = folders
        self._llama = llama
        self._quantisation = quantisation

    async def repeat(self) -> Mapping[str, float]:
        """Convert and quantise anew; the seconds of both, and the memory of the hungrier one."""
        full, target = self._folders.gguf("F16"), self._folders.gguf(self._quantisation)
        first = await _timed(
            self._llama.converting(self._folders.source, full), self._llama.converting_environment
        )
        second = await _timed(self._llama.quantising(full, target, self._quantisation), {})
        return {
            "seconds": first["seconds"] + second["seconds"],
            "peak_bytes": max(first["peak_bytes"], second["peak_bytes"]),
        }


async def measure_making(model: PeerModel, folders: Folders, llama: LlamaCpp) -> Run:
    """Make everything but the tuned artifact, in turns; the last of each stays."""
    folders.made.mkdir(parents=True, exist_ok=True)
    subjects: list[Subject] = [
        Conversion(INT4, folders, folders.int4),
        Conversion(NEAREST, folders, folders.nearest, "--calibration", "none"),
        Conversion(CALIBRATED, folders, folders.calibrated, "--precision", "int4-calibrated"),
        OliveByHand(folders),
    ]
    subjects += [Quantisation(folders, llama, quantisation) for quantisation in LLAMA_FORMATS]
    return await run_in_turns(
        subjects, REPEATS, kind="making", model=model.key, machine=folders.machine, warm_up=False
    )


async def tune(folders: Folders) -> None:
    """Let `firstlight tune` publish the fastest artifact of the source, or tune the threads of a copy of INT4."""
    shutil.rmtree(folders.tuned, ignore_errors=True)
    if folders.model.template_preset is None:
        options = ["--precision", "int4", "--drift-budget", TUNING_BUDGET]
        command: list[str | Path] = [
            firstlight(),
            "tune",
            folders.source,
            *options,
            "-o",
            folders.tuned,
        ]
    else:
        # Drift needs a chat template, and this source has none: only its artifact is given one.
        shutil.copytree(folders.int4, folders.tuned)
        command = [firstlight(), "tune", folders.tuned, "--apply"]
    try:
        await _timed(command, _home(folders.made / "home"))
    except RuntimeError:
        # Beside busy programs it writes nothing, and there is nothing tuned to measure.
        shutil.rmtree(folders.tuned, ignore_errors=True)


def olive_config(source: Path, folder: Path) -> dict[str, object]:
    """Return the configuration file that one writes by hand: the course's one pass, on a CPU."""
    return {
        "input_model": {"type": "HfModel", "model_path": str(source)},
        "systems": {"cpu": {"type": "LocalSystem", "accelerators": [_DEVICE]}},
        "host": "cpu",
        "target": "cpu",
        "passes": {"builder": {"type": "ModelBuilder", "precision": "int4"}},
        "output_dir": str(folder / "output"),
        "cache_dir": str(folder / "cache"),
    }


async def _timed(command: Sequence[str | Path], environment: Mapping[str, str]) -> dict[str, float]:
    seconds, peak = await asyncio.to_thread(timed, command, env=dict(environment))
    return {"seconds": seconds, "peak_bytes": float(peak)}


def _home(folder: Path) -> dict[str, str]:
    return {"FIRSTLIGHT_HOME": str(folder)}


def _bytes_of(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
