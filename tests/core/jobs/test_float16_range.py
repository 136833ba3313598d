"""FP16 is refused before the conversion where the original's activations do not fit into float16."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from firstlight_core.conversion.convert import convert
from firstlight_core.errors import CheckFailed, ModelRefused
from firstlight_core.estimate.estimates import Room, estimate
from firstlight_core.estimate.recommendation import recommend
from firstlight_core.model.inspection import inspect_model
from firstlight_core.precision.table import PRECISIONS, find_precision

PLENTY = Room(memory=2**45, disk=2**45)


def loud(sample: Path, folder: Path, factor: float) -> Path:
    """The sample with one matrix that is `factor` times as large; no weight is near the end of float16."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(sample, folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layers.1.mlp.down_proj.weight"))
    weights[name] = weights[name] * factor
    assert float(weights[name].abs().max()) < 10_000
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
def test_activations_beyond_float16_are_refused_with_their_size(
    sample: Path, tmp_path: Path
) -> None:
    source = loud(sample, tmp_path / "loud", 2_000.0)
    with pytest.raises(ModelRefused) as refused:
        asyncio.run(convert(source, tmp_path / "out", precision="fp16"))
    message = str(refused.value)
    assert "float16 ends at 65,504" in message and "layers.1" in message
    reached = float(message.split("reach ")[1].split(" ")[0].replace(",", ""))
    assert 70_000 < reached < 1_000_000
    assert "INT8" in refused.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_the_check_names_the_activations_where_nobody_measured_them(
    sample: Path, tmp_path: Path
) -> None:
    source = loud(sample, tmp_path / "loud", 2_000.0)
    with pytest.raises(CheckFailed, match="not finite") as refused:
        asyncio.run(convert(source, tmp_path / "out", precision="fp16", force=True))
    assert "activations" in refused.value.hint and "training run" not in refused.value.hint


@pytest.mark.real
def test_the_largest_activation_is_the_one_that_transformers_computes(sample: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from firstlight_core.jobs.float16_range import TEXT, largest_activation, refuse_beyond_float16

    largest = largest_activation(sample, None)
    tokenizer = AutoTokenizer.from_pretrained(sample)
    model = AutoModelForCausalLM.from_pretrained(sample, dtype=torch.float32)
    with torch.inference_mode():
        ids = torch.tensor([tokenizer.encode(TEXT)])
        states = model(ids, output_hidden_states=True).hidden_states
    between = max(float(state.abs().max()) for state in states)
    # The module's own output is at least as large as what it adds to.
    assert 0.9 * between < largest["value"] < 3 * between
    refuse_beyond_float16(sample, None)


def test_gemma_3_in_float16_is_known_beforehand(sample: Path) -> None:
    plain = inspect_model(sample)
    gemma = replace(plain, shape=replace(plain.shape, model_type="gemma3_text"))
    rows = {row.key: estimate(gemma, row, room=PLENTY) for row in PRECISIONS}
    assert [key for key, row in rows.items() if not row["available"]] == ["fp16"]
    assert rows["fp16"]["blocked_by"] == "model" and "activations" in rows["fp16"]["reason"]
    assert estimate(plain, find_precision("fp16"), room=PLENTY)["available"]
    advice = recommend("closest", rows, {})
    assert advice is not None and advice.precision != "fp16"
