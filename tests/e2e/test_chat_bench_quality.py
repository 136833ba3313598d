"""The verbs chat, bench and quality, run as a user runs them, on the really converted sample."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.inference.engine import open_engine
from firstlight_core.paths import find_paths
from firstlight_core.process.mapped_pages import mappings
from tests.conftest import make_once
from tests.support.program import run_firstlight
from tests.support.schemas import checked

pytestmark = pytest.mark.real

Artifact = Callable[[str], Path]
Drifts = dict[str, dict[str, Any]]


def document(*arguments: str, stdin: bytes = b"") -> tuple[int, dict[str, Any]]:
    if not stdin:
        done = run_firstlight(*arguments, "--json")
        return done.returncode, checked(json.loads(done.stdout))
    piped = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", *arguments, "--json"],
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return piped.returncode, checked(json.loads(piped.stdout))


@pytest.fixture
def asked_sample(shared_folder: Path, artifact: Artifact, sample: Path, own_home: Path) -> Drifts:
    """FP32 has been compared with the sample once per run: what the sample answers is kept in this test's home."""

    def make(folder: Path) -> None:
        code, reply = document("quality", str(artifact("fp32")), "--reference", str(sample))
        assert code == 0
        shutil.copytree(find_paths().reference, folder / "reference")
        (folder / "drift.json").write_text(json.dumps(reply["drift"]))

    checked = make_once(shared_folder / "asked-sample", make)
    shutil.copytree(checked / "reference", find_paths().reference, dirs_exist_ok=True)
    drift: dict[str, Any] = json.loads((checked / "drift.json").read_text())
    return {"fp32": drift}


def test_chat_answers_correctly_and_the_same_each_time(artifact: Artifact) -> None:
    question = ("chat", str(artifact("int4")), "--prompt", "What is int4 quantization?", "--greedy")
    code, reply = document(*question)
    assert code == 0
    assert reply["schema"] == "firstlight/chat/1"
    assert reply["ok"] is True
    assert "4 bits" in reply["text"]
    assert reply["finish_reason"] == "stop"
    assert reply["stats"]["new_tokens"] == len(reply["tokens"])
    assert {"prompt_tokens", "ttft_s", "prefill_tps", "decode_tps"} <= reply["stats"].keys()
    again = run_firstlight(*question)
    assert again.stdout.strip() == reply["text"]
    assert "tokens/s" in again.stderr


def test_chat_reads_a_pipe_and_a_seed_repeats(artifact: Artifact) -> None:
    folder = str(artifact("int4"))
    code, reply = document("chat", folder, "--greedy", stdin=b"What is int4 quantization?\n")
    assert code == 0
    assert "4 bits" in reply["text"]
    seeded = [document("chat", folder, "--prompt", "Tell me more", "--seed", "7") for _ in range(2)]
    assert seeded[0][1]["tokens"] == seeded[1][1]["tokens"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        ((), b"", 2, "nothing to ask"),
        ((), b" \n", 2, "nothing to ask"),
        (("--prompt", " "), b"", 2, "nothing to ask"),
        (("--prompt", "a", "--greedy", "--temperature", "2"), b"", 2, "not of 2"),
        ((), b"a\0b", 1, "NUL"),
        ((), b"\xff\xfe", 1, "UTF-8"),
        pytest.param((), b"x" * 200_001, 2, "longer than 200 kB", id="long"),
        pytest.param(("--prompt", "word " * 3000), b"", 1, "this context holds 1024", id="full"),
        (("--prompt", "a", "--temperature", "-1"), b"", 2, "temperature"),
        (("--prompt", "a", "--max-tokens", "0"), b"", 2, "at least one token"),
        (("--prompt", "a", "--max-length", "5000"), b"", 2, "not possible"),
        (("--prompt", "a", "--json-schema", '{"type": "text"}'), b"", 2, "names the type 'text'"),
        (("--prompt", "a", "--json-schema", "none.json"), b"", 1, "no schema file none.json"),
        (("--prompt", "a", "--regex", "[0-9"), b"", 1, "this regex: unclosed character class"),
    ],
)
def test_chat_refuses_in_one_sentence(
    artifact: Artifact, arguments: tuple[str, ...], stdin: bytes, code: int, words: str
) -> None:
    got, reply = document("chat", str(artifact("int4")), *arguments, stdin=stdin)
    assert got == code
    assert reply["ok"] is False
    assert words in reply["error"]["message"]
    assert reply["error"]["hint"]


def test_an_answer_follows_a_schema(artifact: Artifact, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    wanted = {
        "type": "object",
        "properties": {"bits": {"enum": [4, 8, 16]}, "good": {"type": "boolean"}},
        "required": ["bits", "good"],
        "additionalProperties": False,
    }
    schema.write_text(json.dumps(wanted))
    folder = str(artifact("int4"))
    arguments = ("--prompt", "What is int4?", "--greedy", "--json-schema", str(schema))
    code, reply = document("chat", folder, *arguments)
    assert code == 0
    answer = json.loads(reply["text"])
    assert answer["bits"] in (4, 8, 16)
    assert isinstance(answer["good"], bool)
    code, reply = document("chat", "http://127.0.0.1:1/v1", *arguments)
    assert code == 2
    assert "not of an endpoint" in reply["error"]["message"]


@pytest.mark.parametrize("verb", ["chat", "bench", "quality"])
def test_wrong_targets(verb: str, sample: Path, tmp_path: Path) -> None:
    more = ["--prompt", "a"] if verb == "chat" else []
    code, reply = document(verb, str(tmp_path / "none"), *more)
    assert (code, reply["error"]["code"]) == (1, "refused")
    code, reply = document(verb, str(sample), *more)
    assert (code, reply["error"]["code"]) == (1, "refused")
    assert "source model" in reply["error"]["message"]
    done = run_firstlight(verb, str(sample), *more)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_interrupted_chat_leaves_with_130_and_no_child(own_artifact: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "firstlight_tui", "bench", str(own_artifact), "--repeats", "900"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    while b"Measuring" not in process.stderr.readline():
        pass
    children = _children(process.pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert children
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def test_bench_measures_every_case(artifact: Artifact) -> None:
    targets = [str(artifact("int4")), str(artifact("fp32"))]
    code, reply = document("bench", *targets, "--lengths", "16,64,5000", "--repeats", "2")
    assert code == 0
    assert reply["machine"]["cpu"]
    assert reply["interleaved"] is True
    assert [result["target"] for result in reply["results"]] == targets
    for result in reply["results"]:
        assert [case["prompt_tokens"] for case in result["cases"]] == [16, 64, 992]
        for case in result["cases"]:
            assert case["new_tokens"] == 32
            for name in ("ttft_s", "prefill_tps", "decode_tps"):
                figures = case[name]
                assert 0 < figures["min"] <= figures["median"] <= figures["max"]
                assert len(figures["samples"]) == 2
        rss = result["rss_bytes"]
        assert 0 < rss["baseline"] < rss["loaded"] <= rss["peak"]
        assert result["load_s"] > 0
    assert any(
        "5000 were shortened" in note or "were shortened to 992" in note for note in reply["notes"]
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lengths", "a,b"), "no list of prompt lengths"),
        (("--lengths", "0"), "prompt length"),
        (("--new-tokens", "1"), "at least 2"),
        (("--repeats", "0"), "repeats"),
    ],
)
def test_bench_refuses_wrong_numbers(
    artifact: Artifact, arguments: tuple[str, ...], words: str
) -> None:
    code, reply = document("bench", str(artifact("int4")), *arguments)
    assert code == 2
    assert words in reply["error"]["message"]


def test_quality_of_the_sample_with_drift(
    artifact: Artifact, sample: Path, tmp_path: Path, asked_sample: Drifts
) -> None:
    text = tmp_path / "text.txt"
    text.write_text(
        "The harbour was quiet when the ferry came in, an hour late and half empty. " * 9
    )
    arguments = ("quality", str(artifact("int4")), "--text", str(text))
    code, reply = document(*arguments)
    assert (code, "--reference" in reply["error"]["hint"]) == (2, True)
    code, reply = document(*arguments, "--reference", str(sample))
    assert code == 0, reply
    assert reply["prompts"] == "sample"
    status = {check["id"]: check["status"] for check in reply["checks"]}
    assert list(status) == [
        "domain-answers",
        "answer-format",
        "memory-leak",
        "consistent-speed",
        "edge-cases",
    ]
    assert all(check["evidence"]["summary"] for check in reply["checks"])
    # The speed check may need a person on a busy machine; the others may not.
    assert {value for key, value in status.items() if key != "consistent-speed"} == {"pass"}
    drift = reply["drift"]
    assert drift["top1_agreement"] > 0.97
    assert 0 <= drift["kl_mean"] < 0.02
    assert drift["kl_mean"] <= drift["kl_p95"]
    assert 0.95 < drift["perplexity_ratio"] < 1.05
    own = drift["own_text"]
    assert reply["text"] == str(text)
    assert own["text_tokens"] >= own["tokens"] > 64
    # A model's own words are the easiest text there is for it.
    assert own["kl_mean"] > drift["kl_mean"]
    assert own["perplexity"]["original"] > 1 < own["perplexity"]["artifact"]
    for figures in (drift, own):
        low, high = figures["top1_interval"]
        assert low <= figures["top1_agreement"] <= high
    assert "On your own text" in reply["verdict"]
    assert drift["prompts_equal"] == drift["prompts"]
    assert len(drift["worst"]) == 3


def test_drift_grows_with_the_loss_and_the_reference_is_kept(
    artifact: Artifact, sample: Path, asked_sample: Drifts
) -> None:
    code, reply = document("quality", str(artifact("int4")), "--reference", str(sample))
    assert code == 0
    drifts = asked_sample | {"int4": reply["drift"]}
    assert drifts["fp32"]["kl_mean"] < 1e-5 < drifts["int4"]["kl_mean"]
    assert drifts["fp32"]["reference_cached"] is False
    assert drifts["int4"]["reference_cached"] is True


def test_quality_says_no_when_the_answers_are_wrong(artifact: Artifact, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "What is int4 quantization?", "keys": ["bananas"]}\n')
    code, reply = document("quality", str(artifact("int4")), "--prompts", str(prompts))
    assert code == 1
    assert reply["ok"] is False
    assert reply["checks"][0]["status"] == "fail"
    assert "bananas" in reply["checks"][0]["evidence"]["faults"][0]["fault"]
    assert reply["verdict"].startswith("Not good enough")


def test_quality_names_the_wrong_line(artifact: Artifact, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("{\n")
    code, reply = document("quality", str(artifact("int4")), "--prompts", str(prompts))
    assert (code, reply["error"]["code"]) == (1, "refused")
    assert "line 1" in reply["error"]["message"]


def test_a_damaged_artifact_is_told_apart_by_drift(
    own_artifact: Path, sample: Path, asked_sample: Drifts
) -> None:
    """Weights overwritten with noise still load and speak; only the drift sees it."""
    weights = own_artifact / "model.onnx.data"
    raw = bytearray(weights.read_bytes())
    start = len(raw) // 2
    raw[start : start + len(raw) // 8] = os.urandom(len(raw) // 8)
    weights.write_bytes(raw)
    code, reply = document("quality", str(own_artifact), "--reference", str(sample))
    assert code == 1
    assert reply["ok"] is False


def test_the_reference_of_an_adapter_is_base_plus_adapter(
    artifact: Artifact, sample: Path, tmp_path: Path
) -> None:
    shutil.copytree(sample.parent / "adapter", tmp_path / "adapter")
    settings = tmp_path / "adapter" / "adapter_config.json"
    changed = json.loads(settings.read_text()) | {"base_model_name_or_path": str(sample)}
    settings.write_text(json.dumps(changed))
    code, reply = document(
        "quality", str(artifact("int4")), "--reference", str(tmp_path / "adapter")
    )
    assert "drift" in reply, reply
    # The artifact was made without the adapter, so it must differ more than by its quantisation.
    assert reply["drift"]["kl_mean"] > 0.01
    assert code in (0, 1)


async def test_a_later_turn_answers_as_a_fresh_process_does(artifact: Artifact) -> None:
    turns: list[dict[str, str]] = []
    kept_tokens = 0
    async with open_engine(artifact("int4")) as used, open_engine(artifact("int4")) as fresh:
        for question in ("What is int4 quantization?", "And int8?", "Which one is smaller?") * 2:
            turns.append({"role": "user", "content": question})
            warm = await used.answer(turns, greedy=True, max_tokens=48)
            # Another question between empties what the other engine kept.
            await fresh.answer([{"role": "user", "content": "Hello"}], greedy=True, max_tokens=1)
            cold = await fresh.answer(turns, greedy=True, max_tokens=48)
            assert warm["tokens"] == cold["tokens"]
            assert cold["stats"]["reused_tokens"] < 64
            kept_tokens = warm["stats"]["reused_tokens"]
            turns.append({"role": "assistant", "content": cold["text"]})
    assert kept_tokens >= 64


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/PID/smaps")
async def test_weights_that_were_packed_are_not_held_twice(artifact: Artifact) -> None:
    """The embedding is the head: onnxruntime reads all of it to pack the head, and one row for a token after that."""
    data = (artifact("int4") / "model.onnx.data").resolve()
    async with open_engine(artifact("int4")) as engine:
        described = Path(f"/proc/{engine.pid}/smaps").read_text(errors="surrogateescape")
        mapped = [part for part in mappings(described) if part.file == data]
        assert mapped and sum(part.resident for part in mapped) == 0
        assert (await engine.answer([{"role": "user", "content": "Hello"}], greedy=True))["text"]


def test_chat_in_a_process_of_its_own_answers_as_an_engine_that_was_asked_before(
    artifact: Artifact,
) -> None:
    """A prompt of 129 tokens: one more than a chunk."""
    folder = artifact("int4")

    async def ask() -> tuple[str, dict[str, Any]]:
        async with open_engine(folder) as engine:
            for words in range(1, 200):
                turns = [{"role": "user", "content": "What is int4?" + " bits" * words}]
                if (await engine.render(turns))["prompt_tokens"] == 129:
                    break
            for _ in range(3):
                answer = await engine.answer(turns, greedy=True, max_tokens=24)
            return turns[0]["content"], answer

    prompt, answer = asyncio.run(ask())
    assert answer["stats"]["prompt_tokens"] == 129
    code, reply = document(
        "chat", str(folder), "--greedy", "--max-tokens", "24", "--prompt", prompt
    )
    assert code == 0
    assert reply["tokens"] == answer["tokens"]
