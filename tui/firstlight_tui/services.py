"""The core functions that the wizard calls, in one place, so that tests pass functions instead of patches.

Each is imported when it is first called: the first paint waits for none of them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight_core.conversion_plan import ConversionPlan
    from firstlight_core.ledger import Run
    from firstlight_core.model_sources import FoundModel
    from firstlight_core.session import Session

Document = dict[str, Any]


async def _run_checks(**options: Any) -> Document:
    from firstlight_core.environment import run_checks

    return await run_checks(**options)


def _find_models() -> "Sequence[FoundModel]":
    from firstlight_core.models import find_models

    return find_models()


def _inspect(folder: Path) -> Document:
    from firstlight_core.estimates import estimates
    from firstlight_core.models import inspect_model

    inspection = inspect_model(folder)
    return {**inspection.to_json(), "estimates": estimates(inspection)}


def _plan_conversion(source: Path, output: Path, **options: Any) -> "ConversionPlan":
    from firstlight_core.conversion import plan_conversion

    return plan_conversion(source, output, **options)


async def _convert(source: Path, output: Path, **options: Any) -> Document:
    from firstlight_core.conversion import convert

    return await convert(source, output, **options)


def _default_inference_model(artifact: Path, name: str) -> Document:
    from firstlight_core.templates import default_inference_model

    return default_inference_model(artifact, name)


async def _check_template(artifact: Path, **options: Any) -> Document:
    from firstlight_core.templates import check_template

    return await check_template(artifact, **options)


async def _settle_template(artifact: Path, inference_model: Document, **options: Any) -> Document:
    from firstlight_core.templates import settle_template

    return await settle_template(artifact, inference_model, **options)


async def _deploy(artifact: Path, name: str, **options: Any) -> Document:
    from firstlight_core.deployment import deploy

    return await deploy(artifact, name, **options)


async def _undo(name: str, **options: Any) -> Document:
    from firstlight_core.deployment import undo

    return await undo(name, **options)


def _open_engine(artifact: Path, **options: Any) -> AbstractAsyncContextManager[Any]:
    from firstlight_core.engine import open_engine

    return open_engine(artifact, **options)


async def _benchmark(targets: Sequence[str], **options: Any) -> Document:
    from firstlight_core.benchmark import benchmark

    return await benchmark(targets, **options)


async def _check_quality(target: str, **options: Any) -> Document:
    from firstlight_core.quality import check_quality

    return await check_quality(target, **options)


def _write_report(run: "Run") -> Document:
    from firstlight_core.report import write_report

    return write_report(run)


def _write_run_toml(run: "Run", session: "Session") -> Path:
    from firstlight_core.run_file import write_run_toml

    return write_run_toml(run, session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the wizard can ask the core for; every field has the real thing as its default."""

    run_checks: Callable[..., Any] = _run_checks
    find_models: "Callable[[], Sequence[FoundModel]]" = _find_models
    inspect: Callable[[Path], Mapping[str, Any]] = _inspect
    plan_conversion: "Callable[..., ConversionPlan]" = _plan_conversion
    convert: Callable[..., Any] = _convert
    default_inference_model: Callable[[Path, str], Document] = _default_inference_model
    check_template: Callable[..., Any] = _check_template
    settle_template: Callable[..., Any] = _settle_template
    deploy: Callable[..., Any] = _deploy
    undo: Callable[..., Any] = _undo
    open_engine: Callable[..., AbstractAsyncContextManager[Any]] = _open_engine
    benchmark: Callable[..., Any] = _benchmark
    check_quality: Callable[..., Any] = _check_quality
    write_report: "Callable[[Run], Document]" = _write_report
    write_run_toml: "Callable[[Run, Session], Path]" = _write_run_toml
