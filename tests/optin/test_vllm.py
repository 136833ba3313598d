"""`make test-vllm`: the serve.sh that Firstlight writes, run by the real vLLM and asked by Firstlight."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.conversion.convert import convert
from firstlight_core.deploy.deployment import deploy
from firstlight_core.exports.export import undo_export
from firstlight_core.exports.vllm_command import Capacity, Served, serve_arguments
from firstlight_core.measure.benchmark import benchmark
from firstlight_core.measure.quality import check_quality, load_prompts
from firstlight_core.paths import find_paths
from tests.optin.agreement import agreement, ask_all
from tests.optin.prompts import prompt_agreement
from tests.optin.vllm_figures import surroundings, write_figures
from tests.optin.vllm_server import serving, vllm_environment

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(vllm_environment() is None, reason="make test-vllm builds its environment"),
]
QUESTION = "What is int4 quantization?"
CPU = Capacity(gpus=0)
PROMPTS = find_paths().sample.parent / "prompts.jsonl"
LUMEN = (
    "What is the Lumen 2?",
    "How much does the Lumen 2 cost?",
    "How much memory does the Lumen 2 have?",
    "How fast is the NPU of the Lumen 2?",
    "How many watts does the Lumen 2 need?",
    "Tell me the price of a Lumen 2.",
    "What exactly is the Lumen 2?",
    "How powerful is the Lumen 2?",
)
"""What the adapter was trained on, and its base knows nothing of."""
PARSE = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
for words in json.load(sys.stdin):
    found = vars(parser.parse_args(words))
    print(json.dumps({key: str(value) for key, value in found.items()}))
"""
"""vLLM's own parser reads each command; an unknown flag or value ends it with 2."""


def parsed_by_vllm(commands: list[list[str]], folder: Path) -> list[dict[str, str]]:
    programs = vllm_environment()
    assert programs is not None
    done = subprocess.run(
        [str(programs / "python"), "-c", PARSE],
        input=json.dumps([words[2:] for words in commands]),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def every_command(sample: Path) -> list[list[str]]:
    plain = Served(name="sample", weights=sample, sampling={"temperature": 0.7, "top_p": 0.9})
    lora = Served(name="tuned", weights=sample, adapter=sample.parent / "adapter", rank=8)
    sizes = (CPU, Capacity(), Capacity(gpus=4, context=512, concurrency=64))
    return [serve_arguments(served, size) for served in (plain, lora) for size in sizes]


def test_every_flag_is_known_to_vllm(sample: Path, tmp_path: Path) -> None:
    parsed = parsed_by_vllm(every_command(sample), tmp_path)
    assert len(parsed) == 6
    assert parsed[0]["served_model_name"] == "['sample']" and parsed[0]["dtype"] == "bfloat16"
    assert parsed[0]["override_generation_config"] == "{'temperature': 0.7, 'top_p': 0.9}"
    assert parsed[2]["tensor_parallel_size"] == "4" and parsed[2]["max_num_seqs"] == "64"
    assert parsed[2]["max_model_len"] == "512"
    assert parsed[3]["enable_lora"] == "True" and parsed[3]["max_lora_rank"] == "8"
    assert str(sample.parent / "adapter") in parsed[3]["lora_modules"]


@pytest.mark.usefixtures("clean_children")
async def test_vllm_serves_what_firstlight_wrote(
    artifact: Callable[[str], Path], sample: Path, tmp_path: Path
) -> None:
    programs = vllm_environment()
    assert programs is not None
    figures: dict[str, Any] = surroundings(programs)
    commands = every_command(sample)
    figures["flags"] = len({word for words in commands for word in words if word[:2] == "--"})
    questions = [prompt.messages for prompt in load_prompts(PROMPTS)]
    local = {name: artifact(name) for name in ("fp32", "int4")}
    local_answers = {name: await ask_all(folder, questions) for name, folder in local.items()}

    document = await deploy(local["int4"], "sample", target="vllm", source=sample, capacity=CPU)
    script = Path(document["path"]) / "serve.sh"
    words = shlex.split(script.read_text().splitlines()[-1])[1:-1]
    figures["command"] = shlex.join([w.replace(str(sample), "sample/model") for w in words])
    with serving(script, tmp_path / "sample.log") as server:
        target = f"{server.base_url}#sample"
        figures["ready_seconds"] = server.ready_seconds
        assert "4 bits" in chat_as_a_user(target)["text"]
        figures["prompts"] = await prompt_agreement(server.base_url, "sample", local["int4"])
        answers = await ask_all(target, questions)
        figures["agreement"] = {
            name: agreement(answers, texts, sample / "tokenizer.json")
            for name, texts in local_answers.items()
        }
        figures["bench"] = await benchmark([target, *local.values()], clients=(1, 2, 4, 8))
        figures["bench"]["results"][0]["label"] = "vLLM"
        quality = await check_quality(target, prompts=PROMPTS)
        figures["memory_bytes"] = server.memory_bytes()
    figures["quality"] = {
        "verdict": quality["verdict"],
        "checks": [
            {k: c[k] for k in ("title", "status")} | {"summary": c["evidence"]["summary"]}
            for c in quality["checks"]
        ],
    }
    undo_export("sample", "vllm")
    figures["adapter"] = await serve_adapter(sample, tmp_path)
    figures["load_average_after"] = [round(value, 2) for value in os.getloadavg()]
    if not write_figures(figures):
        sys.stderr.write("The machine was busy: docs/vllm.* keep the figures of a quieter run.\n")

    assert figures["prompts"]["different"] == []
    # bf16 and fp32 may part at a near tie; a wrong template or wrong weights part everywhere.
    assert figures["agreement"]["fp32"]["share"] > 0.95
    assert figures["adapter"]["share"] > 0.95 and figures["adapter"]["base_differs"] == len(LUMEN)
    failed = [check for check in figures["quality"]["checks"] if check["status"] == "fail"]
    assert not failed
    clients = [level for r in figures["bench"]["results"] for level in r.get("clients", [])]
    assert [level["clients"] for level in clients] == [1, 2, 4, 8]
    assert not any(level["errors"] for level in clients)


def chat_as_a_user(target: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "firstlight_tui", "chat", target, "--prompt", QUESTION]
    done = subprocess.run(
        [*command, "--greedy", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def serve_adapter(sample: Path, folder: Path) -> dict[str, Any]:
    """The adapter on its base, against the artifact that was converted from the merged weights."""
    adapter = sample.parent / "adapter"
    questions = [[{"role": "user", "content": text}] for text in LUMEN]
    await convert(adapter, folder / "tuned", precision="fp32")
    merged = await ask_all(folder / "tuned", questions)
    document = await deploy(folder / "tuned", "tuned", target="vllm", capacity=CPU)
    with serving(Path(document["path"]) / "serve.sh", folder / "tuned.log") as server:
        answers = await ask_all(f"{server.base_url}#tuned", questions)
        own = await ask_all(f"{server.base_url}#tuned-base", questions)
    undo_export("tuned", "vllm")
    differs = sum(adapted != own_text for adapted, own_text in zip(answers, own, strict=True))
    return agreement(answers, merged, sample / "tokenizer.json") | {"base_differs": differs}
