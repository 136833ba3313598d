"""The core functions that a walk calls, in one place, so that tests pass functions instead of patches."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.ledger import Run

Document = dict[str, Any]


async def _run_checks() -> Document:
    from firstlight_core.environment.doctor import run_checks

    return await run_checks()


def _inspect(folder: Path) -> Document:
    from firstlight_core.estimate.estimates import estimates
    from firstlight_core.model.inspection import inspect_model

    inspection = inspect_model(folder)
    return {**inspection.to_json(), "estimates": estimates(inspection)}


def _adopt(folder: Path) -> Document:
    from firstlight_core.artifact.artifact import check_artifact
    from firstlight_core.conversion.convert import folder_bytes

    artifact = check_artifact(folder)
    return {"artifact": str(artifact.folder), "bytes": folder_bytes(artifact.folder)}


async def _convert(source: Path, outputs: Mapping[str, Path], **options: Any) -> Document:
    from firstlight_core.conversion.convert import convert_many

    return await convert_many(source, outputs, **options)


def _inference_model(artifact: Path, name: str, preset: str | None) -> Document:
    from firstlight_core.template.presets import TOKENIZER, find_preset
    from firstlight_core.template.templates import build_inference_model, default_inference_model

    if preset is None or preset == TOKENIZER:
        return dict(default_inference_model(artifact, name))
    # A model without a chat template has nothing to derive from; the family's format is all there is.
    return build_inference_model(name, find_preset(preset).prompt_template)


async def _settle_template(artifact: Path, inference_model: Any, **options: Any) -> Document:
    from firstlight_core.template.templates import settle_template

    return await settle_template(artifact, inference_model, **options)


async def _deploy(artifact: Path, name: str, **options: Any) -> Document:
    from firstlight_core.deploy.deployment import deploy

    return await deploy(artifact, name, **options)


async def _chat(
    artifact: Path, prompts: Sequence[str], *, system: str, max_tokens: int
) -> list[Document]:
    """Ask one question after another in one conversation, greedily; the chat document of each."""
    from firstlight_core.inference.engine import open_engine

    messages = [{"role": "system", "content": system}] if system else []
    turns = []
    async with open_engine(artifact) as engine:
        for prompt in prompts:
            messages.append({"role": "user", "content": prompt})
            answer = await engine.answer(messages, max_tokens=max_tokens, greedy=True)
            messages.append({"role": "assistant", "content": str(answer["text"])})
            turns.append({"prompt": prompt, **answer})
    return turns


async def _benchmark(targets: Sequence[str], **options: Any) -> Document:
    from firstlight_core.measure.benchmark import benchmark

    return await benchmark(targets, **options)


async def _check_quality(target: str, **options: Any) -> Document:
    from firstlight_core.measure.quality import check_quality

    return await check_quality(target, **options)


def _write_report(run: Run) -> Document:
    from firstlight_core.report.report import write_report

    return write_report(run)


def _sweep() -> list[Path]:
    from firstlight_core.workflow.leftovers import sweep_staging

    return sweep_staging()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a walk asks the core for; every field has the real thing as its default."""

    run_checks: Callable[..., Awaitable[Document]] = _run_checks
    inspect: Callable[[Path], Document] = _inspect
    adopt: Callable[[Path], Document] = _adopt
    convert: Callable[..., Awaitable[Document]] = _convert
    inference_model: Callable[[Path, str, str | None], Document] = _inference_model
    settle_template: Callable[..., Awaitable[Document]] = _settle_template
    deploy: Callable[..., Awaitable[Document]] = _deploy
    chat: Callable[..., Awaitable[list[Document]]] = _chat
    benchmark: Callable[..., Awaitable[Document]] = _benchmark
    check_quality: Callable[..., Awaitable[Document]] = _check_quality
    write_report: Callable[[Run], Document] = _write_report
    sweep: Callable[[], list[Path]] = _sweep
