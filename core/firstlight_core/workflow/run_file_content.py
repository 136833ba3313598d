"""The content of `run.toml` for a plan."""

from collections.abc import Mapping
from pathlib import Path

from firstlight_core.conversion.calibration_choice import calibration_name
from firstlight_core.documents.run_file import (
    BenchTable,
    ChatTable,
    DeployTable,
    QualityTable,
    RunFile,
    TemplateTable,
)
from firstlight_core.paths import find_paths
from firstlight_core.workflow.plan import (
    BenchChoice,
    ChatChoice,
    DeployChoice,
    Plan,
    QualityChoice,
    TemplateChoice,
)
from firstlight_core.workflow.plan_configs import portable

SCHEMA = "firstlight/run.toml/1"
SAMPLE = "sample"
"""As `source`: the sample model; as `quality.prompts`: its held-out questions."""


def run_file_content(plan: Plan) -> RunFile:
    """Return what `run.toml` holds; TOML has no null, so a key without a value is left out."""
    sample = {find_paths().sample: SAMPLE}
    content: RunFile = {"schema": SCHEMA}
    if plan.source is not None:
        content["source"] = _path_word(plan.source, sample)
        if plan.base is not None:
            content["base"] = _path_word(plan.base, sample)
        content["precisions"] = list(plan.precisions)
        if plan.use is not None:
            content["use"] = plan.use
        content["method"] = plan.method
        if configs := portable(plan.configs, plan.source):
            content["configs"] = configs
        if plan.calibration is not None:
            content["calibration"] = calibration_name(plan.calibration)
    else:
        content["artifact"] = str(plan.artifact)
    if plan.template is not None:
        content["template"] = _template(plan.template)
    if plan.deploy is not None:
        content["deploy"] = _deploy(plan.deploy)
    if plan.chat is not None:
        content["chat"] = _chat(plan.chat)
    if plan.benchmark is not None:
        content["bench"] = _bench(plan.benchmark)
    if plan.quality is not None:
        content["quality"] = _quality(plan.quality, plan.source)
    return content


def _template(choice: TemplateChoice) -> TemplateTable:
    table: TemplateTable = {}
    if choice.preset is not None:
        table["preset"] = choice.preset
    if choice.inference_model is not None:
        table["inference_model"] = choice.inference_model
    return table


def _deploy(choice: DeployChoice) -> DeployTable:
    table: DeployTable = {
        "name": choice.name,
        "target": choice.target,
        "replace": choice.replace,
    }
    if choice.cache != "private":
        table["cache"] = choice.cache
    return table if choice.capacity is None else {**table, **choice.capacity.to_json()}


def _chat(choice: ChatChoice) -> ChatTable:
    table: ChatTable = {"prompts": list(choice.prompts), "max_tokens": choice.max_tokens}
    if choice.system:
        table["system"] = choice.system
    return table


def _bench(choice: BenchChoice) -> BenchTable:
    table: BenchTable = {}
    if choice.lengths:
        table["lengths"] = list(choice.lengths)
    if choice.new_tokens is not None:
        table["new_tokens"] = choice.new_tokens
    if choice.repeats is not None:
        table["repeats"] = choice.repeats
    if choice.precisions:
        table["precisions"] = list(choice.precisions)
    return table


def _quality(choice: QualityChoice, source: Path | None) -> QualityTable:
    words = {find_paths().sample: SAMPLE} | ({source: "source"} if source else {})
    table: QualityTable = {}
    if choice.prompts is not None:
        table["prompts"] = _path_word(choice.prompts, {find_paths().sample_prompts: SAMPLE})
    if choice.reference is not None:
        table["reference"] = _path_word(choice.reference, words)
    if choice.text is not None:
        table["text"] = str(choice.text.absolute())
    if choice.precisions:
        table["precisions"] = list(choice.precisions)
    return table


def _path_word(path: Path, words: Mapping[Path, str]) -> str:
    return words.get(path) or str(path.absolute())
