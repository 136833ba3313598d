"""INT4 with the real Olive: rounded on the built-in text unless the model, the machine or the user says otherwise."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firstlight_core.artifact.publishing import read_manifest
from firstlight_core.conversion.convert import convert, convert_many
from firstlight_core.process.offline import child_environment

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("loaded_jobs")]
_WRITE = """
import sys
import torch
from transformers import AutoConfig, AutoModelForCausalLM
torch.manual_seed(0)
config = AutoConfig.for_model(
    "phi3", vocab_size=2048, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=128, max_position_embeddings=1024,
    original_max_position_embeddings=1024, sliding_window=None,
    bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(sys.argv[1])
"""


def test_it_is_rounded_on_the_built_in_text(artifact: Callable[[str], Path]) -> None:
    manifest = read_manifest(artifact("int4"))
    assert manifest is not None
    assert manifest["calibration"]["source"] == "built-in"
    assert manifest["calibration"]["prompts"] == 24
    assert (manifest["proof"]["level"], manifest["proof"]["kind"]) == ("proven", "int4-calibrated")
    assert "--calibration" not in manifest["command"]


@pytest.mark.slow
async def test_both_rows_are_rounded_to_the_nearest_where_that_is_asked_for(
    sample: Path, tmp_path: Path
) -> None:
    keys = ("int4", "int4-compact", "int4-calibrated")
    outputs = {key: tmp_path / key for key in keys}
    document = await convert_many(sample, outputs, calibration="none")
    assert document["ok"], document["failures"]
    int4, compact, calibrated = document["results"]
    for made, block in ((int4, 32), (compact, 128)):
        assert "calibration" not in made
        assert made["built"]["block_size"] == [block]
        assert (made["proof"]["level"], made["proof"]["kind"]) == ("proven", "int4")
        assert made["command"][-2:] == ["--calibration", "none"]
    assert calibrated["calibration"]["source"] == "built-in"


@pytest.mark.slow
async def test_a_model_that_cannot_be_calibrated_converts_to_the_nearest(
    sample: Path, tmp_path: Path
) -> None:
    """The builder of genai 0.18 cannot read calibrated weights of Phi-3."""
    source = tmp_path / "source"
    subprocess.run(
        [sys.executable, "-P", "-c", _WRITE, str(source)],
        env=child_environment(),
        check=True,
        capture_output=True,
    )
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(sample / name, source / name)
    made = await convert(source, tmp_path / "out")
    assert "calibration" not in made
    assert (made["built"]["block_size"], made["proof"]["kind"]) == ([32], "int4")
    assert "--calibration" not in made["command"]
