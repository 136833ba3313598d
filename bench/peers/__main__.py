"""`python -m bench.peers FOLDER [STAGE ...] [--model KEY]`: build, make, measure and write the page, or only these stages.

FOLDER holds the real models (`python -m tests.optin.real_models FOLDER`). Every stage of a model is one run of at most
eight minutes; its samples are added to `bench/results/peers.json`.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.peers.curves import measure_lengths, measure_sizes
from bench.peers.document import PeersDocument, Run, load_document, save_document
from bench.peers.drift import measure_drifts
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.making import Folders, measure_making, tune
from bench.peers.memory import measure_memory
from bench.peers.models import MODELS, PeerModel
from bench.peers.page import write_page
from bench.peers.parity import measure_parity
from bench.peers.speed import measure_speed
from firstlight_core.measure.benchmark import machine

Measure = Callable[[PeerModel, Folders, LlamaCpp], Awaitable[Run]]
RUNS: dict[str, Measure] = {
    "making": measure_making,
    "speed": measure_speed,
    "parity": measure_parity,
    "memory": measure_memory,
    "lengths": measure_lengths,
    "sizes": measure_sizes,
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
    root: Path, stages: list[str], models: list[PeerModel], *, prebuilt: bool
) -> None:
    """Run the stages in their order; the document is saved after each."""
    llama = LlamaCpp(root / "llama.cpp")
    for stage in (stage for stage in STAGES if stage in stages):
        if stage == "build":
            llama.make(prebuilt=prebuilt)
            continue
        # Prompt lengths are measured on one model, sizes on none of them.
        for model in models[:1] if stage in ("lengths", "sizes") else models:
            document = load_document(machine(), llama.description)
            await _measure(document, stage, model, Folders(root, model), llama)
            save_document(document)
    write_page(load_document(machine(), llama.description))


async def _measure(
    document: PeersDocument, stage: str, model: PeerModel, folders: Folders, llama: LlamaCpp
) -> None:
    if stage in RUNS:
        run = await RUNS[stage](model, folders, llama)
        document["runs"].append(run)
        _say(stage, model, run["void_reasons"])
    elif stage == "drift":
        test = await measure_drifts(model, folders, llama)
        document["drift_tests"].append(test)
        _say(stage, model, test["void_reasons"])
    elif stage == "tune":
        await tune(folders)
    others = [size for size in document["sizes"] if size["model"] != model.key]
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
    given = parser.parse_args(words)
    models = [MODELS[key] for key in given.model or MODELS]
    stages = given.stages or list(STAGES)
    asyncio.run(run_stages(given.folder.absolute(), stages, models, prebuilt=given.prebuilt))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
