"""`firstlight inspect` as a user calls it: documents, exit codes, sentences."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import run_firstlight
from tests.support.schemas import checked
from tests.support.zoo import honest_folder


def inspect(source: str, *more: str) -> tuple[int, dict[str, Any], str]:
    done = run_firstlight("inspect", source, "--json", *more)
    return done.returncode, checked(json.loads(done.stdout)), done.stderr


def test_document_of_the_sample(sample: Path) -> None:
    code, document, errors = inspect(str(sample))
    assert (code, errors) == (0, "")
    assert document["schema"] == "firstlight/inspect/1"
    assert document["ok"] is True
    assert {
        "architecture",
        "supported",
        "parameters",
        "dtype",
        "tied_embeddings",
        "context_length",
        "weight_bytes",
        "template",
        "fingerprint",
    } <= document.keys()
    assert document["estimates"].keys() >= {"fp32", "fp16", "int8", "int4"}
    assert document["estimates"]["int4"].keys() >= {
        "bytes",
        "peak_ram_bytes",
        "seconds",
        "available",
        "reason",
    }


def test_text_names_the_model_and_its_costs(sample: Path) -> None:
    done = run_firstlight("inspect", "sample")
    assert done.returncode == 0
    assert "Qwen2ForCausalLM" in done.stdout
    assert "int4-compact" in done.stdout


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("/nowhere/at/all", "model-refused", "There is no folder"),
        ("Qwen/Qwen2.5-0.5B", "model-refused", "Hugging Face cache"),
        ("/", "model-refused", "belongs to the system"),
    ],
)
def test_what_is_no_model(source: str, code: str, words: str) -> None:
    status, document, _ = inspect(source)
    assert status == 1
    assert document["ok"] is False
    assert document["error"]["code"] == code
    assert words in document["error"]["message"]
    assert document["error"]["hint"]


def test_unsupported_architecture_is_one_sentence(tmp_path: Path) -> None:
    folder = honest_folder(tmp_path / "m", architectures=["RwkvForCausalLM"])
    done = run_firstlight("inspect", str(folder))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "does not convert RwkvForCausalLM" in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr


def test_usage_errors() -> None:
    assert run_firstlight("inspect").returncode == 2
    assert run_firstlight("inspect", "").returncode == 2
    assert run_firstlight("inspect", "sample", "--context", "0").returncode == 2


def test_hostile_folder_name_reaches_the_terminal_visibly(tmp_path: Path) -> None:
    folder = honest_folder(tmp_path / "m\x1b]52;c;UFdORUQ=\x07\u202e")
    for done in (
        run_firstlight("inspect", str(folder)),
        run_firstlight("inspect", str(folder), "--json"),
        run_firstlight("inspect", str(folder) + "x"),
    ):
        assert "\x1b" not in done.stdout + done.stderr
        assert "\u202e" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_folder_cannot_shadow_modules(sample: Path, tmp_path: Path) -> None:
    for name in ("json", "torch", "typer", "firstlight_core"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "firstlight"), "inspect", str(sample)],
        capture_output=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0
    assert not (tmp_path / "canary").exists()


def test_the_base_of_an_adapter_can_be_named(sample: Path) -> None:
    adapter = str(sample.parent / "adapter")
    code, document, _ = inspect(adapter, "--base", "sample")
    assert (code, document["source"]) == (0, adapter)
    code, document, _ = inspect(adapter, "--base", "/nowhere")
    assert (code, document["error"]["code"]) == (1, "base-missing")
    assert "/nowhere is not the base" in document["error"]["message"]
    code, document, _ = inspect(str(sample), "--base", "sample")
    assert (code, document["error"]["code"]) == (2, "usage")
