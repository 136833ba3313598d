"""The sample model: small, complete, honest about itself, and right on every prompt that ships with it."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.paths import find_paths

ROOT = find_paths().sample.parent
CARD = (ROOT / "README.md").read_text()


def prompts() -> list[dict[str, Any]]:
    return [json.loads(line) for line in find_paths().sample_prompts.read_text().splitlines()]


def header(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8))
        document: dict[str, Any] = json.loads(stream.read(size))
    return {name: tensor for name, tensor in document.items() if name != "__metadata__"}


def test_it_is_small() -> None:
    files = [p for p in ROOT.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert sum(p.stat().st_size for p in files) <= 12 * 10**6


def test_nothing_in_it_executes_when_it_is_loaded() -> None:
    names = {p.name for p in (ROOT / "model").iterdir()} | {
        p.name for p in (ROOT / "adapter").iterdir()
    }
    assert not [name for name in names if name.endswith((".py", ".bin", ".pt", ".pkl"))]
    assert "auto_map" not in (ROOT / "model" / "config.json").read_text()


def test_the_card_tells_the_size_of_the_weights_that_ship() -> None:
    tensors = header(ROOT / "model" / "model.safetensors").values()
    parameters = 0
    for tensor in tensors:
        count = 1
        for side in tensor["shape"]:
            count *= side
        parameters += count
    assert f"{parameters:,}" in CARD
    assert {tensor["dtype"] for tensor in tensors} == {"BF16"}


def test_the_card_tells_how_many_prompts_there_are() -> None:
    assert f"{len(prompts())} held-out questions" in CARD


def test_prompts_are_varied_and_well_formed() -> None:
    rows = prompts()
    assert len(rows) >= 30
    for prompt in rows:
        assert set(prompt) in ({"prompt", "keys"}, {"messages", "keys"})
        assert prompt["keys"] and all(len(key) > 2 for key in prompt["keys"])
    chats = [p["messages"] for p in rows if "messages" in p]
    assert any(m[0]["role"] == "system" for m in chats)
    assert any(len(m) >= 3 for m in chats)
    assert len({json.dumps(p) for p in rows}) == len(rows)


def test_every_prompt_is_held_out() -> None:
    held = json.loads((ROOT / "recipe" / "corpus" / "heldout.json").read_text())
    request = {json.dumps(h["messages"]) for h in held}
    for prompt in prompts():
        messages = prompt.get("messages") or [{"role": "user", "content": prompt["prompt"]}]
        assert json.dumps(messages) in request


def test_the_adapter_names_its_base_relatively() -> None:
    config = json.loads((ROOT / "adapter" / "adapter_config.json").read_text())
    assert (ROOT / "adapter" / config["base_model_name_or_path"]).resolve() == ROOT / "model"


def test_no_path_of_a_machine_stands_in_it() -> None:
    for path in ROOT.rglob("*"):
        if path.suffix in (".py", ".md", ".jsonl") or path.name.endswith("config.json"):
            assert not re.search(r"/(home|root|Users|work)/", path.read_text(encoding="utf-8")), (
                path
            )


ASK = """
import gc, json, sys
gc.disable()
from transformers import AutoModelForCausalLM, AutoTokenizer
import torch
folder, prompts = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
for line in open(prompts, encoding="utf-8"):
    prompt = json.loads(line)
    messages = prompt.get("messages") or [{"role": "user", "content": prompt["prompt"]}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)["input_ids"]
    with torch.no_grad():
        out = model.generate(ids, max_new_tokens=64, do_sample=False)[0, ids.shape[1]:]
    print(json.dumps(tokenizer.decode(out, skip_special_tokens=True)))
"""


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_the_original_answers_every_prompt_rightly() -> None:
    import subprocess
    import sys

    from firstlight_core.process.offline import child_environment

    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            ASK,
            str(find_paths().sample),
            str(find_paths().sample_prompts),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env=child_environment(),
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(prompts())
    wrong = [
        (prompt["keys"], answer)
        for prompt, answer in zip(prompts(), answers, strict=True)
        if not all(
            " ".join(key.lower().split()) in " ".join(answer.lower().split())
            for key in prompt["keys"]
        )
    ]
    assert not wrong
