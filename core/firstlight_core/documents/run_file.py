"""The content of `run.toml`: the plan of a whole run. A table that is absent is a step that is skipped."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.conversion import OliveConfig

Configs = Mapping[str, OliveConfig]
"""Precision key → edited Olive configuration."""


class TemplateTable(TypedDict):
    """`[template]`: a preset, or a whole inference_model.json; of neither, the tokenizer's own template."""

    preset: NotRequired[str]
    inference_model: NotRequired[InferenceModel]


class DeployTable(TypedDict):
    """`[deploy]`; the last four are of the target vllm."""

    name: str
    target: NotRequired[str]
    replace: NotRequired[bool]
    cache: NotRequired[str]
    gpus: NotRequired[int]
    context: NotRequired[int]
    concurrency: NotRequired[int]
    replicas: NotRequired[int]


class ChatTable(TypedDict):
    """`[chat]`: questions of one conversation, in order."""

    prompts: list[str]
    system: NotRequired[str]
    max_tokens: NotRequired[int]


class BenchTable(TypedDict):
    """`[bench]`; no precisions: the one in use."""

    lengths: NotRequired[list[int]]
    new_tokens: NotRequired[int]
    repeats: NotRequired[int]
    precisions: NotRequired[list[str]]


class QualityTable(TypedDict):
    """`[quality]`; paths relative to the file, or the words `sample` and `source`. No precisions: the one in use."""

    prompts: NotRequired[str]
    reference: NotRequired[str]
    text: NotRequired[str]
    precisions: NotRequired[list[str]]


class RunFile(TypedDict):
    """`run.toml`. Either `source` is converted to `precisions`, or `artifact` is adopted as it is."""

    schema: str
    source: NotRequired[str]
    base: NotRequired[str]
    precisions: NotRequired[list[str]]
    use: NotRequired[str]
    """The precision that template, deployment and chat work on."""
    method: NotRequired[str]
    configs: NotRequired[Configs]
    calibration: NotRequired[str]
    """The text or prompts that a calibrated precision is rounded on, or a word; without it the built-in text."""
    artifact: NotRequired[str]
    template: NotRequired[TemplateTable]
    deploy: NotRequired[DeployTable]
    chat: NotRequired[ChatTable]
    bench: NotRequired[BenchTable]
    quality: NotRequired[QualityTable]
