"""Folders that people have, end to end: refused before anything is made, or finished as PEFT and transformers run them."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.conversion.convert import convert, convert_many
from firstlight_core.errors import ModelRefused
from firstlight_core.model.folder import list_folder
from firstlight_core.model.load_rules import refuse_generation
from tests.core.jobs.test_adapter_merge import adapted
from tests.core.jobs.test_yardstick import tiny
from tests.support import zoo_kinds
from tests.support.program import run_firstlight as firstlight
from tests.support.zoo import ZOO, Animal, build, honest_folder

REFUSED = [animal for animal in ZOO if animal.name in zoo_kinds.KINDS]


@pytest.mark.parametrize("animal", REFUSED, ids=lambda animal: animal.name)
def test_what_inspect_refuses_is_refused_by_convert_before_anything_is_made(
    animal: Animal, tmp_path: Path
) -> None:
    file = tmp_path / "place"
    file.mkdir()
    target = build(animal, file)
    before = sorted(path.name for path in file.iterdir())
    with pytest.raises(ModelRefused) as caught:
        asyncio.run(convert(target, file / "out" / "int4"))
    assert str(caught.value).count("\n") == 0 and caught.value.hint
    assert sorted(path.name for path in file.iterdir()) == before


@pytest.mark.parametrize("name", ["mark_config.json", "prefix_module.", "run_of_adapters"])
@pytest.mark.parametrize("verb", ["inspect", "convert"])
def test_a_refusal_is_one_sentence_one_way_on_and_exit_code_1(
    verb: str, name: str, tmp_path: Path
) -> None:
    target = build(next(animal for animal in REFUSED if animal.name == name), tmp_path)
    output = ("-o", str(tmp_path / "out")) if verb == "convert" else ()
    done = firstlight(verb, str(target), *output, "--json")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 1 and not done.stderr
    assert error["message"] and error["hint"]
    assert "Traceback" not in done.stdout and not (tmp_path / "out").exists()


def test_a_ram_disk_is_a_place_like_any_other(tmp_path: Path) -> None:
    disk = Path("/dev/shm")
    if not disk.is_dir():
        pytest.skip("this machine has no /dev/shm")
    folder = disk / f"firstlight-{tmp_path.parent.name}-{tmp_path.name}"
    try:
        assert list_folder(honest_folder(folder)).files
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with pytest.raises(ModelRefused, match="belongs to the system"):
        list_folder(disk)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore")
def test_generation_settings_are_judged_as_transformers_judges_them(tmp_path: Path) -> None:
    from transformers import GenerationConfig

    def loads(settings: dict[str, Any]) -> bool:
        (tmp_path / "generation_config.json").write_text(json.dumps(settings))
        try:
            GenerationConfig.from_pretrained(tmp_path)
        except Exception:
            return False
        return True

    def passes(settings: dict[str, Any]) -> bool:
        try:
            refuse_generation(settings)
        except ModelRefused:
            return False
        return True

    for settings, _ in zoo_kinds.GENERATION:
        if "eos_token_id" in settings:
            # transformers reads it, and the builder stumbles over it.
            assert not passes(settings)
            continue
        assert not loads(settings) and not passes(settings), settings
    for settings in zoo_kinds.KEPT:
        assert loads(settings) and passes(settings), settings


def greedy(artifact: Path, ids: list[int], count: int) -> list[int]:
    """What the artifact writes after these tokens, in a process of its own."""
    program = (
        "import json, sys, onnxruntime_genai as og\n"
        "folder, ids, count = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])\n"
        "model = og.Model(folder)\nparams = og.GeneratorParams(model)\n"
        "params.set_search_options(max_length=len(ids) + count, min_length=len(ids) + count, do_sample=False)\n"
        "generator = og.Generator(model, params)\ngenerator.append_tokens(ids)\n"
        "out = []\n"
        "while not generator.is_done() and len(out) < count:\n"
        "    generator.generate_next_token(); out.append(int(generator.get_next_tokens()[0]))\n"
        "print(json.dumps(out))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(artifact), json.dumps(ids), str(count)],
        capture_output=True,
        text=True,
        check=True,
    )
    document: list[int] = json.loads(done.stdout)
    return document


def save_bpe(folder: Path, *, template: str | None, eos: str) -> None:
    """A byte-level BPE of 300 tokens, as the runtime reads it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<s>", "</s>", "<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["the boats come back with the tide"] * 9, trainer)
    made.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": eos, "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("loaded_jobs")
def test_an_adapter_with_everything_of_its_own_is_finished_as_peft_runs_it(tmp_path: Path) -> None:
    """Both ends of a tied base changed, three tokens more, its own tokenizer, template and end token."""
    import torch

    base = tiny(tie_word_embeddings=True, vocab_size=320, hidden_size=64)
    base.save_pretrained(tmp_path / "kept")
    base.resize_token_embeddings(323)
    made = adapted(tmp_path, base, target_modules=["q_proj", "v_proj", "embed_tokens", "lm_head"])
    shutil.rmtree(tmp_path / "base")
    (tmp_path / "kept").rename(tmp_path / "base")
    save_bpe(tmp_path / "base", template=None, eos="</s>")
    save_bpe(tmp_path / "adapter", template="{{ messages[0]['content'] }} tide", eos="<end>")
    ids = [5, 6, 7, 8]
    with torch.no_grad():
        for _ in range(12):
            logits = made(input_ids=torch.tensor([ids])).logits[0, -1]
            logits[[2, 3]] = -1e9  # the runtime is asked not to end
            ids.append(int(logits.argmax()))
    outputs = {key: tmp_path / "out" / key for key in ("fp32", "int4")}
    document = asyncio.run(convert_many(tmp_path / "adapter", outputs))
    assert document["ok"], document["failures"]
    assert document["results"][0]["agreement"]["top1"] == 1.0
    assert greedy(outputs["fp32"], ids[:4], 12) == ids[4:]
    for folder in outputs.values():
        config = json.loads((folder / "genai_config.json").read_text())["model"]
        assert config["vocab_size"] == 323 and config["eos_token_id"] == [3, 2]
        assert "tide" in (folder / "chat_template.jinja").read_text()
