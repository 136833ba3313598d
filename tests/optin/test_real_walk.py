"""`make test-real`: two real models through every step in every precision, against transformers in float32."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.publishing import read_manifest
from firstlight_core.artifact.tokenizer_files import read_chat_template
from firstlight_core.conversion.convert import convert
from firstlight_core.errors import ModelRefused
from firstlight_core.estimate.estimates import Room, estimate
from firstlight_core.inference.engine import open_engine
from firstlight_core.measure.benchmark import machine
from firstlight_core.model.inspection import inspect_model
from firstlight_core.monitor import PeakMemory
from firstlight_core.precision.table import PRECISIONS, find_precision
from tests.optin.conftest import REAL
from tests.optin.real_models import MODELS
from tests.optin.real_reference import QUESTIONS, Continuation, Original, drift
from tests.optin.real_table import Figures, write_table

pytestmark = [pytest.mark.real, pytest.mark.slow]
PLENTY = Room(memory=2**45, disk=2**45)
CONTEXT = 2048
PRESET = {"gemma3": "gemma"}
"""The base model has no chat template of its own."""
LONG = "Tell me about the sea, and the mountains behind it. " * 20
Artifact = Callable[[str, str], Path]
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def table() -> Iterator[list[Figures]]:
    """Every test adds its row; the table is written at the end."""
    rows: list[Figures] = []
    yield rows
    if rows:
        facts = machine()
        write_table(Path(REAL) / "table.md", rows, f"{facts['cpu']}, {facts['threads']} threads")


def firstlight(*words: str | Path) -> dict[str, Any]:
    """The JSON document of a verb, run as a user runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=1_800,
    )
    assert done.stdout, done.stderr[-3_000:]
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture
def own_copy(real_artifact: Artifact, tmp_path: Path) -> Artifact:
    """A copy of a real artifact whose small files may be written; a base model has got a chat template."""

    def find(name: str, precision: str) -> Path:
        copy = tmp_path / f"{name}-{precision}"
        shutil.copytree(real_artifact(name, precision), copy, copy_function=_link_large)
        if name in PRESET:
            assert firstlight("template", copy, "--preset", PRESET[name])["ok"]
        return copy

    return find


def _link_large(source: str, target: str) -> str:
    if Path(source).stat().st_size > 2**20:
        try:
            os.link(source, target)
            return target
        except OSError:
            pass
    return str(shutil.copy2(source, target))


@pytest.fixture(scope="module")
def originals(real_folder: Folder) -> Callable[[str, Path], list[Continuation]]:
    """The original's answers to the questions, computed once a model."""
    known: dict[str, list[Continuation]] = {}

    def find(name: str, artifact: Path) -> list[Continuation]:
        if name not in known:
            template = read_chat_template(artifact) if name in PRESET else None
            original = Original(real_folder(name), template)
            known[name] = [original.continue_(question) for question in QUESTIONS]
        return known[name]

    return find


@pytest.mark.parametrize("name", MODELS)
def test_the_folder_can_be_converted(real_folder: Folder, name: str) -> None:
    document = firstlight("inspect", real_folder(name))
    assert document["ok"] and document["supported"] and document["tied_embeddings"]
    rows = document["estimates"]
    # What the activations of Gemma 3 do in float16 is said before anything is converted.
    assert rows["fp16"]["available"] is (name != "gemma3")
    assert ("activations" in rows["fp16"]["reason"]) is (name == "gemma3")


@pytest.mark.parametrize("precision", [row.key for row in PRECISIONS])
@pytest.mark.parametrize("name", MODELS)
def test_every_precision_through_every_step(
    real_folder: Folder,
    own_copy: Artifact,
    originals: Callable[[str, Path], list[Continuation]],
    table: list[Figures],
    tmp_path: Path,
    name: str,
    precision: str,
) -> None:
    source = real_folder(name)
    row = Figures(model=name, precision=precision)
    guess = estimate(inspect_model(source), find_precision(precision), room=PLENTY)
    if guess["blocked_by"] == "model":
        with pytest.raises(ModelRefused, match="float16 ends at"):
            asyncio.run(convert(source, tmp_path / "out", precision=precision))
        row.refused = "refused: its activations overflow float16"
        table.append(row)
        return
    artifact = own_copy(name, precision)
    manifest = read_manifest(artifact)
    assert manifest is not None
    answers = originals(name, artifact)
    row.estimated = {key: guess[key] for key in ("bytes", "peak_ram_bytes", "run_ram_bytes")}
    row.measured = {"bytes": manifest["bytes"], "peak_ram_bytes": manifest["peak_rss_bytes"]}
    row.measured["run_ram_bytes"], spoken = asyncio.run(_talk(artifact, answers))
    row.answers = (sum(spoken), len(spoken))
    bench = firstlight("bench", artifact, "--lengths", "32", "--new-tokens", "16", "--repeats", "2")
    if not bench["void"]:
        row.decode_tps = bench["results"][0]["cases"][0]["decode_tps"]["median"]
    quality = firstlight("quality", artifact, "--reference", source)
    row.drift, row.verdict = quality["drift"], quality["verdict"].partition(".")[0]
    table.append(row)

    mine = drift(artifact, answers)
    assert row.drift["tokens"] == mine.tokens
    assert row.drift["top1_agreement"] == pytest.approx(mine.top1_agreement, abs=1e-9)
    assert row.drift["perplexity_ratio"] == pytest.approx(mine.perplexity_ratio, rel=1e-4)
    # What is nothing but float noise has no relative error.
    assert row.drift["kl_mean"] == pytest.approx(mine.kl_mean, rel=1e-4, abs=1e-9)
    assert row.drift["prompts_equal"] == len(QUESTIONS)
    if precision == "fp32":
        assert abs(mine.kl_mean) < 1e-8 and row.answers[0] == len(QUESTIONS)
    assert not [check for check in quality["checks"] if _is_false_alarm(name, check)]
    assert row.ratio("bytes") == pytest.approx(1, abs=0.03)
    assert row.ratio("peak_ram_bytes") == pytest.approx(1, abs=0.15)
    assert row.ratio("run_ram_bytes") == pytest.approx(1, abs=0.15)


def _is_false_alarm(name: str, check: dict[str, Any]) -> bool:
    """Whether a format fault names text that is none; a base model may never end its answers."""
    faults = [fault["fault"] for fault in check["evidence"].get("faults", [])]
    return check["id"] == "answer-format" and any("control token" in fault for fault in faults)


async def _talk(artifact: Path, answers: list[Continuation]) -> tuple[int, list[bool]]:
    """Peak bytes of the engine with the whole context, and which answers are the original's to the last token."""
    memory = PeakMemory()
    memory.begin("run")
    same = []
    async with open_engine(artifact, max_length=CONTEXT, started=memory.add) as engine:
        await engine.answer([{"role": "user", "content": LONG}], greedy=True, max_tokens=16)
        for question, wanted in zip(QUESTIONS, answers, strict=True):
            messages = [{"role": "user", "content": question}]
            assert (await engine.render(messages))["ids"] == wanted.prompt
            # A preset's ModelConfig penalises repetition, as the course has it; the original is asked without.
            document = await engine.answer(
                messages, greedy=True, repetition_penalty=1.0, max_tokens=len(wanted.answer)
            )
            ended = document["finish_reason"] == "stop"
            spoken = wanted.answer[:-1] if ended else wanted.answer
            same.append(document["tokens"] == spoken)
        memory.take()
    return memory.peak, same


@pytest.mark.parametrize("name", MODELS)
def test_a_run_repeats_the_walk(own_copy: Artifact, tmp_path: Path, name: str) -> None:
    """Template, chat, benchmark, quality and report in one go, from a run.toml."""
    artifact = own_copy(name, "int8")
    plan = tmp_path / "run.toml"
    plan.write_text(
        f'artifact = "{artifact}"\n[chat]\nprompts = ["What is the capital of France?"]\n'
        "[bench]\nlengths = [32]\nnew_tokens = 8\nrepeats = 1\n[quality]\n",
        encoding="utf-8",
    )
    document = firstlight("run", plan, "--yes")
    report = firstlight("report")
    assert report["ok"], document
    assert Path(report["markdown"]).is_file()
