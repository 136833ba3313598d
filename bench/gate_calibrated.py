"""Builds whose weights were rounded on a text (Olive's Gptq pass), for the calibration of the numbers gate.

Rounded on the talks that a conversion takes; the models are wide enough for blocks of 128 and the part of one.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gate_builds import FAMILIES, quiet

WIDE = {"hidden_size": 160, "intermediate_size": 288}
"""1 ¼ and 2 ¼ blocks of 128: an odd number of zero points a row, and blocks that are not whole."""
SPIKES = ((3, 20.0), (77, 12.0))
"""Channels that are larger than their neighbours, and how many times: real models have some."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to build calibrated weights."""

    name: str
    layer_block: int
    head_block: int
    head: str
    """`int4_algo_config` of the builder: the bits of the output head."""

    def about(self) -> dict[str, int]:
        """Return the form as the results say it."""
        bits = 8 if self.head == "k_quant_last" else 4
        return {"layers": self.layer_block, "head": self.head_block, "head_bits": bits}


FORMS = (
    Form("int4-calibrated 128", 128, 32, "k_quant"),
    Form("int4-calibrated", 32, 32, "k_quant_last"),
    Form("int4-calibrated 128 head", 128, 128, "k_quant"),
)
"""Layers in blocks of 128 and a head of 4 bits, the row INT4 calibrated, and all in blocks of 128."""


CalibratedBuild = Callable[[Path, Path, Form], Path]


def calibrated_families() -> list[str]:
    """Return the families that the row is offered for."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as NAMES

    from firstlight_core.estimate.calibrated_cost import ARCHITECTURES

    return [kind for kind in FAMILIES if NAMES.get(kind) in ARCHITECTURES]


def spiked(model: Any) -> Any:
    """Return a model in which a few channels are far larger than the others, as a training leaves them."""
    for name, parameter in model.named_parameters():
        if "layernorm" in name and name.endswith("weight") and parameter.dim() == 1:
            for channel, factor in SPIKES:
                if channel < len(parameter):
                    parameter.data[channel] = (parameter.data[channel] + 1) * factor
    return model


def calibrated_builder() -> CalibratedBuild:
    """Return what builds one artifact of a source; its libraries are loaded once."""
    from olive.model import HfModelHandler
    from olive.passes.olive_pass import create_pass_from_dict
    from olive.passes.pytorch.gptq import Gptq
    from onnxruntime_genai.models import builder

    from firstlight_core.conversion.calibration_text import built_in_text
    from firstlight_core.conversion.olive_config import BUILDER_OPTIONS
    from firstlight_core.documents.conversion import OliveConfig
    from firstlight_core.jobs.calibrated_int4 import Calibrator

    calibrator = Calibrator(lambda event: None)
    calibrator.install()
    text = built_in_text().to_json()

    def build(source: Path, output: Path, form: Form) -> Path:
        config: OliveConfig = {
            "input_model": {"type": "HfModel", "model_path": str(source)},
            "passes": {},
        }
        calibrator.begin(text, config)
        output.mkdir(parents=True, exist_ok=True)
        settings = {"bits": 4, "group_size": form.layer_block, "sym": False, "damp_percent": 0.1}
        rounded = output.parent / "rounded"
        with quiet():
            step = create_pass_from_dict(Gptq, settings, disable_search=True)
            made = step.run(HfModelHandler(str(source)), str(rounded))
            builder.create_model(
                "",
                made.model_path,
                str(output),
                "int4",
                "cpu",
                str(output / "cache"),
                **BUILDER_OPTIONS,
                int4_block_size=form.head_block,
                int4_accuracy_level=4,
                int4_algo_config=form.head,
            )
        calibrator.begin(None, config)
        shutil.rmtree(output / "cache", ignore_errors=True)
        shutil.rmtree(rounded, ignore_errors=True)
        return output

    return build
