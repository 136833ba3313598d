"""What is measured, in which order, and when it is void."""

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.errors import InputRefused, JobFailed, UsageError
from firstlight_core.measure.bench_words import service_sentences
from firstlight_core.measure.benchmark import benchmark, machine
from firstlight_core.measure.interference import (
    InterferenceWatch,
    awake_clock,
    server_processes,
    whole_clock,
)
from firstlight_core.measure.overhead import summary
from firstlight_core.measure.prompt_sizer import TOKENS_A_WORD
from firstlight_core.process.events import Event, Measured, Progress
from tests.support.scripted_server import Script, serving
from tests.support.tiny_models import tiny_genai


def readings(*values: float) -> Callable[..., float]:
    """A clock that gives these readings, one after another."""
    left = iter(values)
    return lambda *ignored: next(left)


def watched(**clocks: Callable[..., float]) -> list[str]:
    still: dict[str, Any] = {
        "awake": readings(0, 10),
        "whole": readings(0, 10),
        "busy": readings(0, 0),
        "ours": readings(0, 0),
    }
    watch = InterferenceWatch(**(still | clocks))
    watch.begin([])
    watch.end()
    return watch.notes()


def test_a_quiet_run_is_not_void() -> None:
    assert watched() == []


def test_a_run_over_a_sleep_is_void() -> None:
    (note,) = watched(whole=readings(0, 70))
    assert note.startswith("Void: the machine slept for 60 s")
    assert watched(whole=readings(0, 10.5)) == []


def test_a_run_beside_other_programs_is_void() -> None:
    cores = psutil.cpu_count() or 1
    (note,) = watched(busy=readings(0, 10.0 * cores), ours=readings(0, 4.0 * cores))
    assert note.startswith("Void: other programs were using 60 % of the CPU")
    # Our own work is no reason.
    assert watched(busy=readings(0, 10.0 * cores), ours=readings(0, 9.0 * cores)) == []


def test_clocks_and_machine() -> None:
    assert awake_clock() <= whole_clock() + 1e-3
    facts = machine()
    assert facts["cpu"]
    assert facts["threads"] >= 1
    assert "onnxruntime-genai" in facts["versions"]


@pytest.mark.real
async def test_repetitions_interleave_and_the_warm_up_is_left_out(tmp_path: Path) -> None:
    left, right = tiny_genai(tmp_path / "left"), tiny_genai(tmp_path / "right")
    events: list[Event] = []
    pids: list[int] = []
    document = await benchmark(
        [left, str(right)],
        lengths=(8, 16, 500),
        new_tokens=8,
        repeats=2,
        loads=0,
        on_event=events.append,
        started=pids.append,
    )
    counted = [event for event in events if isinstance(event, Progress)]
    assert (counted[0].done, counted[0].total) == (0, len(counted) - 1), "the bar is there at once"
    order = [event.note for event in counted[1:]]
    once = [f"{name}, {length} tokens" for length in (8, 16, 120) for name in ("left", "right")]
    assert order == list(itertools.chain.from_iterable([once] * 3))
    assert len(pids) == 2
    assert document["interleaved"] is True
    assert document["lengths"] == [8, 16, 500]
    assert any("left: prompts of 500 tokens were shortened to 120" in n for n in document["notes"])
    for result in document["results"]:
        assert [case["prompt_tokens"] for case in result["cases"]] == [8, 16, 120]
        for case in result["cases"]:
            # Never fewer tokens than asked for, although the model may want to stop.
            assert case["new_tokens"] == 8
            assert len(case["decode_tps"]["samples"]) == 2
    decode = [e for e in events if isinstance(e, Measured) and e.name == "decode_tps"]
    assert len(decode) == 2 * 3 * 2


@pytest.mark.real
async def test_a_void_run_keeps_its_figures_and_says_so(tmp_path: Path) -> None:
    watch = InterferenceWatch(whole=itertools.count(0, 100).__next__)
    document = await benchmark(
        [tiny_genai(tmp_path / "t")], lengths=(8,), new_tokens=4, repeats=1, loads=0, watch=watch
    )
    assert document["void"] is True
    assert document["notes"][0].startswith("Void")
    assert document["results"][0]["cases"]


@pytest.mark.real
async def test_a_cancelled_benchmark_hands_over_what_it_has_measured(tmp_path: Path) -> None:
    handed: list[BenchDocument] = []
    models = [tiny_genai(tmp_path / "left"), tiny_genai(tmp_path / "right")]

    def stop(event: Event) -> None:
        # The warm-ups are 1 to 4, the first round goes from 5 on.
        if isinstance(event, Progress) and event.done == 7:
            running.cancel()

    running = asyncio.create_task(
        benchmark(
            models,
            lengths=(8, 16),
            new_tokens=4,
            repeats=3,
            loads=0,
            on_event=stop,
            on_stopped=handed.append,
            watch=InterferenceWatch(busy=lambda: 0.0),
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await running
    (document,) = handed
    assert document["stopped"] and not document["void"]
    assert [
        (result["label"], [case["prompt_tokens"] for case in result["cases"]])
        for result in document["results"]
    ] == [("left", [8, 16]), ("right", [8])], "lengths without a measurement are left out"
    assert "Stopped after 7 of 16 measurements" in document["notes"][-1]


@pytest.mark.real
async def test_a_benchmark_cancelled_before_its_first_round_hands_over_nothing(
    tmp_path: Path,
) -> None:
    handed: list[BenchDocument] = []

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 1:
            running.cancel()

    running = asyncio.create_task(
        benchmark(
            [tiny_genai(tmp_path / "t")],
            lengths=(8,),
            new_tokens=4,
            repeats=2,
            loads=0,
            on_event=stop,
            on_stopped=handed.append,
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not handed


async def test_wrong_numbers_and_targets(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    for wrong in (
        {"lengths": ()},
        {"lengths": (0,)},
        {"new_tokens": 1},
        {"repeats": 0},
        {"repeats": 10**6},
        {"loads": -1},
        {"loads": 10**6},
    ):
        with pytest.raises(UsageError):
            await benchmark([folder], **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing to measure"):
        await benchmark([])
    with pytest.raises(InputRefused, match="leave no prompt"):
        await benchmark([folder], new_tokens=128)


# Servers -----------------------------------------------------------------------------------------


@pytest.fixture
def script() -> Iterator[Script]:
    with serving() as script:
        script.say("one", " two")
        script.counts = True
        yield script


async def test_a_server_is_measured_in_words_and_memory_is_absent(script: Script) -> None:
    events: list[Event] = []
    document = await benchmark(
        [script.url], lengths=(50, 200), new_tokens=8, repeats=2, on_event=events.append
    )
    (result,) = document["results"]
    assert result["target"] == script.url
    assert (result["model"], result["errors"], result["error_rate"]) == ("one", 0, 0.0)
    assert not result.keys() & {"rss_bytes", "cpu_percent", "bytes", "folder", "precision"}
    # Two tokens a word and ten around them: the server's own count comes near what was asked for.
    assert [case["asked_tokens"] for case in result["cases"]] == [50, 200]
    assert all(
        abs(case["prompt_tokens"] - case["asked_tokens"]) <= 2 and case["counted_by"] == "server"
        for case in result["cases"]
    )
    for case in result["cases"]:
        assert case["new_tokens"] == 2
        assert len(case["ttft_s"]["samples"]) == 2
        assert case["latency_s"]["p95"] >= case["latency_s"]["p50"] > 0
    assert {"ttft_s", "prefill_tps"} <= {e.name for e in events if isinstance(e, Measured)}
    # 2 to learn the words, then (1 warm-up + 2) for each length; no beginning is used twice.
    beginnings = [request["messages"][0]["content"].split(":")[0] for request in script.requests]
    assert len(beginnings) == len(set(beginnings)) == 2 + 3 * 2
    assert all(request["temperature"] == 0 for request in script.requests)
    assert any("measured from outside" in note for note in document["notes"])


async def test_another_run_begins_its_prompts_differently(script: Script) -> None:
    for _ in range(2):
        await benchmark([script.url], lengths=(20,), new_tokens=2, repeats=1)
    prompts = [entry["messages"][0]["content"] for entry in script.requests]
    assert len(prompts) == len(set(prompts))


async def test_a_server_that_counts_nothing_is_not_counted_for(script: Script) -> None:
    script.counts = False
    document = await benchmark([script.url], lengths=(40,), new_tokens=8, repeats=1)
    (case,) = document["results"][0]["cases"]
    assert "prompt_tokens" not in case
    assert "prefill_tps" not in case
    assert (case["prompt_words"], case["counted_by"]) == (round(40 / TOKENS_A_WORD), "chunks")


async def test_failed_questions_are_counted(script: Script) -> None:
    # 2 trials, 1 warm-up, then the repetitions, of which the second fails.
    script.statuses = [200, 200, 200, 200, 500, 200]
    document = await benchmark([script.url], lengths=(20,), new_tokens=2, repeats=3)
    (result,) = document["results"]
    assert (result["errors"], result["error_rate"]) == (1, pytest.approx(1 / 3))
    assert "answers 500" in result["faults"][0]
    assert len(result["cases"][0]["ttft_s"]["samples"]) == 2


async def test_a_length_that_the_server_refuses_is_left_out(script: Script) -> None:
    script.statuses = [200, 200, 200, 400]
    document = await benchmark([script.url], lengths=(20, 9_000), new_tokens=2, repeats=1)
    (result,) = document["results"]
    assert [case["asked_tokens"] for case in result["cases"]] == [20]
    assert any(
        "9000 tokens could not be measured" in n and "answers 400" in n for n in document["notes"]
    )


async def test_a_server_that_answers_nothing_is_no_measurement(script: Script) -> None:
    script.statuses = [200, 200, 200]
    script.status = 500
    with pytest.raises(JobFailed, match=r"Every question to .* failed: .* answers 500"):
        await benchmark([script.url], lengths=(20,), new_tokens=2, repeats=2)


async def test_clients_ask_at_the_same_time(script: Script) -> None:
    # Alone are 2 trials, the warm-up and the repetition.
    script.meet, script.alone = threading.Barrier(3), 4
    document = await benchmark(
        [script.url + "#one"], lengths=(20,), new_tokens=4, repeats=1, clients=(3,)
    )
    (level,) = document["results"][0]["clients"]
    assert script.together == 3
    assert (level["clients"], level["requests"], level["errors"]) == (3, 3, 0)
    assert level["requests_per_s"] == pytest.approx(3 / level["seconds"])
    assert level["tokens_per_s"] == pytest.approx(6 / level["seconds"])
    assert level["latency_s"]["p50"] <= level["latency_s"]["p99"] <= level["latency_s"]["max"]
    assert service_sentences(document)[0].startswith(f"{script.url}#one: 3 clients, ")
    each = level["client_p95_s"]
    assert 0 < each["min"] <= each["median"] <= each["max"] <= level["latency_s"]["max"]


@pytest.mark.real
async def test_several_clients_ask_an_artifact_through_the_service(
    artifact: Callable[[str], Path],
) -> None:
    document = await benchmark(
        [artifact("int4")], lengths=(16,), new_tokens=8, repeats=2, loads=0, clients=(1, 3)
    )
    (result,) = document["results"]
    assert result["kind"] == "artifact" and result["cases"][0]["prompt_tokens"] == 16
    single, three = result["clients"]
    assert [(row["clients"], row["requests"], row["errors"]) for row in (single, three)] == [
        (1, 2, 0),
        (3, 6, 0),
    ]
    assert three["tokens_per_s"] > 0 and single["client_p95_s"]["median"] > 0
    assert any("through Foundry Local's service" in note for note in document["notes"])
    assert "overhead" not in document


@pytest.mark.real
async def test_an_artifact_is_loaded_cold_and_warm(artifact: Callable[[str], Path]) -> None:
    events: list[Event] = []
    pids: list[int] = []
    document = await benchmark(
        [artifact("int4")],
        lengths=(8,),
        new_tokens=4,
        repeats=1,
        loads=2,
        on_event=events.append,
        started=pids.append,
    )
    (result,) = document["results"]
    load = result["load"]
    assert len(load["warm_s"]["samples"]) == 2 and result["load_s"] == load["warm_s"]["median"]
    assert ("cold_s" in load) is ("cold_unknown" not in load)
    colds = [
        event.value for event in events if isinstance(event, Measured) and "cold" in event.name
    ]
    assert load.get("cold_s", {"samples": []})["samples"] == colds
    # Two cold loads (or one that is nobody's), one warm load between them, and the process that is measured.
    assert len(pids) == (4 if colds else 3)
    assert document["conditions"].keys() >= {"slept_s", "others_share"}


async def test_errors_of_a_crowd_are_counted(script: Script) -> None:
    script.statuses = [200] * 4 + [500, 500]
    document = await benchmark([script.url], lengths=(20,), new_tokens=4, repeats=1, clients=(1, 4))
    single, four = document["results"][0]["clients"]
    assert (single["requests"], single["errors"], single["error_rate"]) == (1, 1, 1.0)
    assert "latency_s" not in single
    assert (four["requests"], four["errors"], four["error_rate"]) == (4, 1, 0.25)
    assert sum(four["faults"].values()) == 1


async def test_what_only_a_server_or_only_an_artifact_can_do(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    with pytest.raises(UsageError, match="between 1 and 64"):
        await benchmark([folder], clients=(0,))
    with pytest.raises(UsageError, match="between 1 and 64"):
        await benchmark(["http://127.0.0.1:1/v1"], clients=(0,))
    with pytest.raises(UsageError, match="through Foundry Local"):
        await benchmark(["http://127.0.0.1:1/v1"], through_foundry=True)
    with pytest.raises(UsageError, match="another machine"):
        await benchmark(["http://example.com/v1#m"])


@pytest.mark.real
async def test_a_server_and_an_artifact_interleave(script: Script, tmp_path: Path) -> None:
    events: list[Event] = []
    document = await benchmark(
        [tiny_genai(tmp_path / "tiny"), script.url],
        lengths=(16,),
        new_tokens=4,
        repeats=2,
        loads=0,
        on_event=events.append,
    )
    counted = [event for event in events if isinstance(event, Progress)]
    assert (counted[0].done, counted[0].total) == (0, len(counted) - 1), "the bar is there at once"
    order = [event.note for event in counted[1:]]
    assert order == ["tiny, 16 tokens", f"{script.url}, 16 tokens"] * 3
    assert document["interleaved"] is True
    assert ["rss_bytes" in result for result in document["results"]] == [True, False]


@pytest.mark.real
async def test_the_overhead_of_foundrys_service_is_stated(artifact: Callable[[str], Path]) -> None:
    document = await benchmark(
        [artifact("int4")], lengths=(64, 300), new_tokens=32, repeats=3, through_foundry=True
    )
    direct, service = document["results"]
    assert (direct["precision"], "rss_bytes" in service) == ("int4", False)
    assert service["endpoint"].startswith("http://127.0.0.1:")
    (overhead_row,) = document["overhead"]
    assert overhead_row["service"] == "Foundry Local"
    for case, bare, served in zip(
        overhead_row["cases"], direct["cases"], service["cases"], strict=True
    ):
        # The same prompt, counted by both; the same greedy answer.
        assert case["prompt_tokens"] == bare["prompt_tokens"] == served["prompt_tokens"]
        assert case["same_answers"] == case["pairs"] == 3
        assert bare["new_tokens"] == served["new_tokens"]
        assert served["counted_by"] == "server"
        for name, of in (("ttft_added_s", "ttft_s"), ("total_ratio", "total_s")):
            a, b = (side[of]["samples"] for side in (bare, served))
            calculated = [y - x if "added" in name else y / x for x, y in zip(a, b, strict=True)]
            assert case[name]["samples"] == pytest.approx(calculated)
        assert "Through Foundry Local, at" in case["summary"]
    assert service_sentences(document) == [case["summary"] for case in overhead_row["cases"]]


def test_the_sentence_about_a_service() -> None:
    figure = {"median": 0.9, "min": 0.8, "max": 0.95}
    case = {"prompt_tokens": 7, "ttft_added_s": {"median": -0.2, "min": -0.3, "max": -0.1}}
    assert summary({**case, "decode_ratio": figure}, "It") == (
        "Through It, at 7 prompt tokens: the first token comes 0.20 s earlier (-0.30 s to -0.10 s), "
        "decode runs at 0.90 × the direct rate (0.80–0.95)."
    )
    assert "nothing could be compared" in summary({"prompt_tokens": 7}, "It")


def test_noise_is_no_overhead() -> None:
    case = {
        "prompt_tokens": 7,
        "ttft_added_s": {"median": 0.01, "min": -0.3, "max": 0.1},
        "decode_ratio": {"median": 1.1, "min": 0.8, "max": 1.7},
        "total_ratio": {"median": 1.0, "min": 0.9, "max": 1.1},
    }
    assert summary(case, "It") == (
        "Through It, at 7 prompt tokens: the first token comes neither earlier nor later, within the spread "
        "(-0.30 s to +0.10 s), decode runs at the direct rate, within the spread (0.80–1.70), "
        "an answer takes 1.00 × as long (0.90–1.10)."
    )


def test_a_server_of_this_machine_is_known_by_its_port(script: Script) -> None:
    assert os.getpid() in server_processes(script.url)
    assert server_processes("http://127.0.0.1:1/v1") == []


def test_unknown_processes_are_no_reason_to_call_a_run_void() -> None:
    watch = InterferenceWatch(
        awake=readings(0, 10), whole=readings(0, 10), busy=readings(0, 99), ours=readings(0, 0)
    )
    watch.begin([], False)
    watch.end()
    assert watch.notes() == []
