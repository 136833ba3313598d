"""Whether `firstlight bench` measures what a bare loop does: the two in turn, each alone, over several loads of both.

Where an engine's pages come to lie decides some percent of its speed for as long as it lives, so one load of each says
little about the two ways of measuring; and two that are loaded at once do not find the same pages free.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack

from bench.peers.document import Run, Samples
from bench.peers.interleaving import Subject, run_in_turns
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.making import Folders
from bench.peers.models import BARE, INT4, PeerModel
from bench.peers.speed import BareArtifact, BenchedArtifact
from firstlight_core.inference.session_options import session_options

KIND = "parity"
LOADS = 16
ROUNDS = 3
"""Rounds of each load; the first one after it is thrown away."""


async def measure_parity(model: PeerModel, folders: Folders, llama: LlamaCpp) -> Run:
    """Measure INT4 in both ways; `llama` takes no part."""
    runs: list[Run] = []
    for number in range(LOADS):
        # Who is loaded first alternates.
        ways = [open_bare, open_benched] if number % 2 else [open_benched, open_bare]
        loads: list[Run] = []
        for way in ways:
            async with AsyncExitStack() as stack:
                subject = await way(folders, stack)
                loads.append(
                    await run_in_turns(
                        [subject],
                        ROUNDS,
                        kind=KIND,
                        model=model.key,
                        machine=folders.machine,
                        warm_up=True,
                    )
                )
        runs.append(side_by_side(loads))
    return joined(runs)


async def open_bare(folders: Folders, stack: AsyncExitStack) -> Subject:
    """Return INT4 in a bare loop, loaded until the stack is closed."""
    bare = BareArtifact(BARE, folders.int4, session_options({}))
    stack.callback(bare.close)
    await bare.repeat()
    return bare


async def open_benched(folders: Folders, stack: AsyncExitStack) -> Subject:
    """Return INT4 as `firstlight bench` measures it, loaded until the stack is closed."""
    benched = BenchedArtifact(INT4, folders.int4)
    await benched.open(stack)
    return benched


def side_by_side(loads: Sequence[Run]) -> Run:
    """Return runs of as many rounds of different subjects as one; a round is void where it is in any of them."""
    return {
        **loads[0],
        "void_reasons": [reason for run in loads for reason in run["void_reasons"]],
        "void_rounds": sorted({number for run in loads for number in run["void_rounds"]}),
        "subjects": [entry for run in loads for entry in run["subjects"]],
    }


def joined(runs: Sequence[Run]) -> Run:
    """Return runs of one kind and model, with as many rounds each, as one; void if more than half of its rounds are."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    void_rounds: list[int] = []
    rounds = 0
    for run in runs:
        void_rounds += [rounds + number for number in run["void_rounds"]]
        lengths = {
            len(samples) for entry in run["subjects"] for samples in entry["figures"].values()
        }
        for entry in run["subjects"]:
            for metric, samples in entry["figures"].items():
                figures[entry["subject"]][metric] += samples
        rounds += max(lengths, default=0)
    reasons = [reason for run in runs for reason in run["void_reasons"]]
    return {
        **runs[0],
        "void_reasons": reasons if 2 * len(void_rounds) > rounds else [],
        "void_rounds": void_rounds,
        "subjects": [
            Samples(subject=name, figures=dict(metrics)) for name, metrics in figures.items()
        ],
    }
