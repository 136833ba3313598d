"""`python -m bench.peers FOLDER [STAGE ...] [--model KEY]`: build, make, measure and write the page, or only these stages.

FOLDER holds the real models (`python -m tests.optin.real_models FOLDER`). Every stage of a model is one run of at most
eight minutes; its samples are added to `bench/results/peers.json`.
"""

import argparse
import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bench.peers.curves import CURVE_SHAPES, measure_lengths, measure_sizes
from bench.peers.document import PeersDocument, Run, load_document, save_document
from bench.peers.drift import measure_drifts
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.machines import find_machine
from bench.peers.making import Folders, measure_making, tune
from bench.peers.memory import measure_memory
from bench.peers.models import MODELS, PeerModel
from bench.peers.page import write_page
from bench.peers.parity import measure_parity
from bench.peers.speed import measure_speed
from firstlight_core.environment.devices import system_cpu_flags
from firstlight_core.measure.benchmark import machine

Measure = Callable[[PeerModel, Folders, LlamaCpp], Awaitable[Run]]
RUNS: dict[str, Measure] = {
    "making": measure_making,
    "speed": measure_speed,
    "parity": measure_parity,
    "memory": measure_memory,
    "lengths": measure_lengths,
}
STAGES = (
    "build",
    "making",
    "tune",
    "speed",
    "parity",
    "memory",
    "drift",
    "lengths",
    "sizes",
    "page",
)


async def run_stages(
    root: Path, stages: list[str], models: list[PeerModel], shapes: list[str], *, prebuilt: bool
) -> None:
    """Run the stages in their order; the document is saved after each."""
    llama = LlamaCpp(root / "llama.cpp")
    measures: dict[str, Measure] = {
        **RUNS,
        "sizes": functools.partial(measure_sizes, shapes=shapes),
    }
    for stage in (stage for stage in STAGES if stage in stages):
        if stage == "build":
            llama.make(prebuilt=prebuilt)
        if stage in ("build", "page"):
            continue
        # Prompt lengths are measured on one model, sizes on none of them.
        for model in models[:1] if stage in ("lengths", "sizes") else models:
            document = load_document()
            here = find_machine(
                document["machines"], machine(), system_cpu_flags(), llama.description
            )
            folders = Folders(root, model, here["name"])
            await _measure(document, stage, folders, llama, measures)
            save_document(document)
    write_page(load_document())


async def _measure(
    document: PeersDocument,
    stage: str,
    folders: Folders,
    llama: LlamaCpp,
    measures: Mapping[str, Measure],
) -> None:
    model = folders.model
    if stage in measures:
        run = await measures[stage](model, folders, llama)
        document["runs"].append(run)
        _say(stage, model, run["void_reasons"])
    elif stage == "drift":
        test = await measure_drifts(model, folders, llama)
        document["drift_tests"].append(test)
        _say(stage, model, test["void_reasons"])
    elif stage == "tune":
        await tune(folders)
    key = (model.key, folders.machine)
    others = [size for size in document["sizes"] if (size["model"], size["machine"]) != key]
    document["sizes"] = [*others, *folders.sizes()]


def _say(stage: str, model: PeerModel, void_reasons: list[str]) -> None:
    sys.stdout.write(f"{stage}, {model.title}: {' '.join(void_reasons) or 'measured'}\n")


def main(words: list[str]) -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("stages", nargs="*", choices=[[], *STAGES], help="default: all")
    parser.add_argument("--model", choices=MODELS, action="append", help="default: all")
    parser.add_argument(
        "--prebuilt", action="store_true", help="libraries of llama.cpp from npm, a minute"
    )
    parser.add_argument(
        "--shape",
        choices=CURVE_SHAPES,
        action="append",
        help="of the stage sizes, default: all; each may be a run of its own",
    )
    given = parser.parse_args(words)
    models = [MODELS[key] for key in given.model or MODELS]
    stages = given.stages or list(STAGES)
    shapes = given.shape or list(CURVE_SHAPES)
    asyncio.run(
        run_stages(given.folder.absolute(), stages, models, shapes, prebuilt=given.prebuilt)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
