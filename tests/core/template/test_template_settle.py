"""What is written, where, and that nothing else ever stands there."""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.inference_model import build_inference_model
from firstlight_core.artifact.model_config import context_length, fit_to_context, search_values
from firstlight_core.artifact.publishing import read_manifest, write_manifest
from firstlight_core.artifact.settled_files import heal_manifest
from firstlight_core.errors import CheckFailed, InputRefused, StateProblem, TemplateRefused
from firstlight_core.template.presets import find_preset
from firstlight_core.template.settle import settle_template, undo_template, write_template
from tests.support import faultkit
from tests.support.template_families import FAMILIES, write_family

pytestmark = pytest.mark.usefixtures("loaded_jobs")

PHI = next(family for family in FAMILIES if family.key == "phi-3")


def document(preset: str = "phi-3", **config: Any) -> dict[str, Any]:
    made = build_inference_model("phi-int4", find_preset(preset).prompt_template)
    made["ModelConfig"] |= config
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_family(tmp_path / "artifact", PHI)
    write_manifest(made, {"precision": "int4"})
    return made


def hashes_hold(folder: Path) -> bool:
    manifest = read_manifest(folder)
    assert manifest is not None
    return all(
        hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
        for name, entry in manifest["files"].items()
    )


@pytest.mark.parametrize(
    ("config", "search"),
    [
        ({"max_length": 1024.0, "temperature": 0.7}, (1024, 0.7, True)),
        ({"max_length": 512, "temperature": 0}, (512, 0, False)),
        ({"max_length": 512, "temperature": 1}, (512, 1, True)),
    ],
)
def test_model_config_becomes_search(config: dict[str, Any], search: tuple[Any, ...]) -> None:
    values = search_values(config)
    assert (values["max_length"], values["temperature"], values["do_sample"]) == search


@pytest.mark.parametrize("length", [2048, 199_999])
def test_a_length_beyond_the_context_is_shortened_and_told(folder: Path, length: int) -> None:
    context = context_length(folder)
    assert context == 100_000
    fitted, sentence = fit_to_context(document(max_length=length), folder)
    assert fitted["ModelConfig"]["max_length"] == min(length, context)
    assert sentence == (
        None
        if length < context
        else "`ModelConfig.max_length` 199,999 is more than the model's context; 100,000 tokens are written."
    )
    written = write_template(folder, document(max_length=length))
    written_length = json.loads((folder / "inference_model.json").read_text())["ModelConfig"][
        "max_length"
    ]
    search = json.loads((folder / "genai_config.json").read_text())["search"]["max_length"]
    assert written_length == search == written["search"]["max_length"] == min(length, context)


@pytest.mark.real
async def test_settling_tells_what_it_shortened(folder: Path) -> None:
    result = await settle_template(folder, document(max_length=199_999))
    assert result["fitted"] == result["notes"][0]
    assert result["inference_model"]["ModelConfig"]["max_length"] == 100_000
    assert "fitted" not in await settle_template(folder, document(max_length=512))


@pytest.mark.real
async def test_settling_writes_both_files_and_the_manifest(folder: Path) -> None:
    result = await settle_template(folder, document(temperature=0.5))
    assert result["locked"] and result["written"] == ["inference_model.json", "genai_config.json"]
    assert json.loads((folder / "inference_model.json").read_text()) == document(temperature=0.5)
    search = json.loads((folder / "genai_config.json").read_text())["search"]
    assert search == {
        "max_length": 2048,
        "temperature": 0.5,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "do_sample": True,
    }
    assert hashes_hold(folder)
    assert not list(folder.glob(".*"))


@pytest.mark.real
async def test_a_template_that_differs_is_written_only_when_forced(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckFailed, match="The template was not written: PromptTemplate"):
        await settle_template(folder, document("chatml"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    result = await settle_template(folder, document("chatml"), force=True)
    assert not result["locked"] and (folder / "inference_model.json").is_file()


async def test_a_broken_field_writes_nothing(folder: Path) -> None:
    broken = document()
    broken["PromptTemplate"]["user"] = "no place"
    with pytest.raises(TemplateRefused, match=r"PromptTemplate\.user"):
        await settle_template(folder, broken, force=True)
    assert not (folder / "inference_model.json").exists()


def test_undo_brings_back_what_was_there(folder: Path) -> None:
    with pytest.raises(InputRefused, match="no earlier template"):
        undo_template(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_template(folder, document(), chat_template="{{ messages }}", stop_ids=[3])
    assert (
        json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]
        == "{{ messages }}"
    )
    assert 3 in json.loads((folder / "genai_config.json").read_text())["model"]["eos_token_id"]
    undo_template(folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {k: json.loads(v) for k, v in after.items()} == {
        k: json.loads(v) for k, v in before.items()
    }
    assert hashes_hold(folder)
    undo_template(folder)
    assert json.loads((folder / "inference_model.json").read_text()) == document()


def test_a_save_that_fails_says_why(folder: Path) -> None:
    (folder / "inference_model.json").mkdir()
    with pytest.raises(StateProblem, match=r"Cannot write .*inference_model\.json"):
        write_template(folder, document())
    assert not list(folder.glob(".*"))


SAVE = """
import json, sys
from pathlib import Path
from firstlight_core.template.settle import write_template
write_template(Path(sys.argv[1]), json.loads(sys.argv[2]))
"""


# The fault kit leaves its traces to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("mode", ["signal=KILL", "error=ENOSPC"])
def test_a_save_stopped_at_any_call_leaves_old_or_new(tmp_path: Path, mode: str) -> None:
    pristine = write_family(tmp_path / "pristine", PHI)
    write_template(pristine, document(temperature=0.3))
    write_manifest(pristine, {"precision": "int4"})
    folder = tmp_path / "artifact"
    new = tmp_path / "new"
    shutil.copytree(pristine, new)
    write_template(new, document(temperature=0.9))
    names = ("inference_model.json", "genai_config.json")
    states = {name: {(pristine / name).read_bytes(), (new / name).read_bytes()} for name in names}

    def setup() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(pristine, folder)

    def check() -> str | None:
        for name in names:
            if (folder / name).read_bytes() not in states[name]:
                return f"{name} is a third thing"
        if read_manifest(folder) is None:
            return "the manifest is broken"
        heal_manifest(folder)
        if not hashes_hold(folder):
            return "the manifest cannot be healed"
        write_template(folder, document(temperature=0.9))
        if list(folder.glob(".*")):
            return "a temporary file stays after the next save"
        return None if hashes_hold(folder) else "the next save does not heal the manifest"

    import os

    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    hit, bad = faultkit.kill_everywhere(
        [sys.executable, "-c", SAVE, str(folder), json.dumps(document(temperature=0.9))],
        setup,
        check,
        mode=mode,
        env=environ,
    )
    assert hit > 10
    assert bad == []
