"""The core functions that the wizard calls, in one place, so that tests pass functions instead of patches.

Each is imported when it is first called: the first paint waits for none of them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight_core.artifact.target import Target
    from firstlight_core.conversion.plan import ConversionPlan
    from firstlight_core.deploy.deployment import Deployment
    from firstlight_core.environment.install import InstallPlan
    from firstlight_core.foundry.background import BackgroundService
    from firstlight_core.foundry.cli_cache import CacheChange
    from firstlight_core.foundry.health import Health
    from firstlight_core.foundry.visibility import FoundryOffer
    from firstlight_core.inference.backend import ChatBackend
    from firstlight_core.ledger import Run
    from firstlight_core.model.sources import FoundModel
    from firstlight_core.session import Session

Document = dict[str, Any]


async def _run_checks(**options: Any) -> Document:
    from firstlight_core.environment.doctor import run_checks

    return await run_checks(**options)


def _list_checks() -> list[tuple[str, str]]:
    from firstlight_core.environment.doctor import CHECKS

    return [(check.id, check.title) for check in CHECKS]


def _renew_checks(document: Document, newer: Document) -> Document:
    from firstlight_core.environment.doctor import renew

    return renew(document, newer)


def _toolchain_missing(document: Document) -> bool:
    from firstlight_core.environment.doctor import toolchain_missing

    return toolchain_missing(document)


def _report_text(document: Document) -> str:
    from firstlight_core.environment.doctor import report_text

    return report_text(document)


def _plan_install() -> "InstallPlan":
    from firstlight_core.environment.install import plan_install

    return plan_install()


async def _install(plan: "InstallPlan", **options: Any) -> Document:
    from firstlight_core.environment.install import install

    return await install(plan, **options)


def _find_models() -> "Sequence[FoundModel]":
    from firstlight_core.model.inspection import find_models

    return find_models()


def _inspect(folder: Path, *, base: Path | None = None) -> Document:
    from firstlight_core.estimate.estimates import estimates
    from firstlight_core.model.inspection import inspect_model

    inspection = inspect_model(folder, base=base)
    return {**inspection.to_json(), "estimates": estimates(inspection)}


def _resolve_hub_id(text: str) -> Path | None:
    from firstlight_core.model.download import resolve_hub_id

    return resolve_hub_id(text)


async def _download(hub_id: str, **options: Any) -> Document:
    from firstlight_core.model.download import download_model

    return await download_model(hub_id, **options)


def _plan_conversion(source: Path, output: Path, **options: Any) -> "ConversionPlan":
    from firstlight_core.conversion.convert import plan_conversion

    return plan_conversion(source, output, **options)


async def _convert(source: Path, output: Path, **options: Any) -> Document:
    from firstlight_core.conversion.convert import convert

    return await convert(source, output, **options)


async def _convert_many(source: Path, outputs: Mapping[str, Path], **options: Any) -> Document:
    from firstlight_core.conversion.convert import convert_many

    return await convert_many(source, outputs, **options)


def _default_inference_model(artifact: Path, name: str) -> Document:
    from firstlight_core.template.templates import default_inference_model

    return default_inference_model(artifact, name)


async def _check_template(artifact: Path, **options: Any) -> Document:
    from firstlight_core.template.templates import check_template

    return await check_template(artifact, **options)


async def _settle_template(artifact: Path, inference_model: Document, **options: Any) -> Document:
    from firstlight_core.template.templates import settle_template

    return await settle_template(artifact, inference_model, **options)


def _read_inference_model(artifact: Path) -> Document | None:
    from firstlight_core.template.templates import read_inference_model

    return read_inference_model(artifact)


def _template_truth(artifact: Path, source: Path | None) -> Path | None:
    from firstlight_core.template.chat_template import template_truth

    return template_truth(artifact, source)


async def _mend_template(artifact: Path, inference_model: Document, **options: Any) -> Document:
    from firstlight_core.template.repair import mend_fields

    return await mend_fields(artifact, inference_model, **options)


def _undo_template(artifact: Path) -> Document:
    from firstlight_core.template.templates import undo_template

    return undo_template(artifact)


async def _preview_template(artifact: Path, inference_model: Document) -> Document:
    from firstlight_core.template.preview import preview_template

    return await preview_template(artifact, inference_model)


def _read_chat_template(folder: Path) -> str | None:
    from firstlight_core.artifact.tokenizer_files import read_chat_template

    return read_chat_template(folder)


async def _settle_chat_template(artifact: Path, text: str, **options: Any) -> Document:
    from firstlight_core.template.chat_template import settle_chat_template

    return await settle_chat_template(artifact, text, **options)


async def _deploy(artifact: Path, name: str, **options: Any) -> Document:
    from firstlight_core.deploy.deployment import deploy

    return await deploy(artifact, name, **options)


async def _undo(name: str, **options: Any) -> Document:
    from firstlight_core.deploy.deployment import undo

    return await undo(name, **options)


def _list_deployments() -> "Sequence[Deployment]":
    from firstlight_core.deploy.deployment import list_deployments

    return list_deployments()


def _deploy_targets() -> Sequence[str]:
    from firstlight_core.deploy.deployment import TARGETS

    return TARGETS


def _open_service(target: str, **options: Any) -> AbstractAsyncContextManager[Any]:
    from firstlight_core.foundry.service import open_service

    return open_service(target, **options)


async def _probe_service(base_url: str) -> "Health":
    from firstlight_core.foundry.health import probe_service

    return await probe_service(base_url)


async def _start_background(target: str, **options: Any) -> "BackgroundService":
    from firstlight_core.foundry.background import start_background

    return await start_background(target, **options)


def _sweep_staging() -> list[Path]:
    from firstlight_core.workflow.leftovers import sweep_staging

    return sweep_staging()


def _list_background() -> "Sequence[BackgroundService]":
    from firstlight_core.foundry.background import list_background

    return list_background()


def _stop_background(service: "BackgroundService") -> None:
    from firstlight_core.foundry.background import stop_background

    stop_background(service)


async def _examine(name: str | None = None, **options: Any) -> Document:
    from firstlight_core.foundry.visibility import examine

    return await examine(name, **options)


async def _run_foundry(arguments: Sequence[str], **options: Any) -> Document:
    from firstlight_core.foundry.cli import run_foundry

    return await run_foundry(arguments, **options)


async def _move_cache(place: Path, **options: Any) -> Document:
    from firstlight_core.foundry.cli_cache import move_cache

    return await move_cache(place, **options)


def _read_cache_change() -> "CacheChange | None":
    from firstlight_core.foundry.cli_cache import read_change

    return read_change()


async def _put_cache_back(**options: Any) -> Document:
    from firstlight_core.foundry.cli_cache import put_cache_back

    return await put_cache_back(**options)


async def _offer_commands(name: str, cache: str) -> "FoundryOffer":
    from firstlight_core.foundry.visibility import offer_commands

    return await offer_commands(name, cache=cache)


def _open_target(target: "Target", **options: Any) -> "AbstractAsyncContextManager[ChatBackend]":
    from firstlight_core.inference.open_target import open_target

    return open_target(target, **options)


async def _find_servers(address: str | None = None, **options: Any) -> Sequence[Document]:
    from firstlight_core.inference.endpoint import find_servers

    return await find_servers(address, **options)


async def _benchmark(targets: Sequence[str], **options: Any) -> Document:
    from firstlight_core.measure.benchmark import benchmark

    return await benchmark(targets, **options)


async def _tune(what: str, **options: Any) -> Document:
    from firstlight_core.tuning.tune import tune

    return await tune(what, **options)


def _keep_tuned(artifact: Path, document: Mapping[str, Any]) -> None:
    from firstlight_core.tuning.tune import keep

    keep(artifact, document)


async def _check_quality(targets: Sequence[str], **options: Any) -> Document:
    from firstlight_core.measure.quality import check_quality_of_each

    return await check_quality_of_each(targets, **options)


def _write_report(run: "Run") -> Document:
    from firstlight_core.report.report import write_report

    return write_report(run)


def _write_run_toml(run: "Run", session: "Session") -> Path:
    from firstlight_core.workflow.run_file import write_run_toml

    return write_run_toml(run, session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the wizard can ask the core for; every field has the real thing as its default."""

    run_checks: Callable[..., Any] = _run_checks
    list_checks: Callable[[], Sequence[tuple[str, str]]] = _list_checks
    renew_checks: Callable[[Document, Document], Document] = _renew_checks
    toolchain_missing: Callable[[Document], bool] = _toolchain_missing
    report_text: Callable[[Document], str] = _report_text
    plan_install: "Callable[[], InstallPlan]" = _plan_install
    install: Callable[..., Any] = _install
    find_models: "Callable[[], Sequence[FoundModel]]" = _find_models
    inspect: Callable[..., Mapping[str, Any]] = _inspect
    resolve_hub_id: Callable[[str], Path | None] = _resolve_hub_id
    download: Callable[..., Any] = _download
    plan_conversion: "Callable[..., ConversionPlan]" = _plan_conversion
    convert: Callable[..., Any] = _convert
    convert_many: Callable[..., Any] = _convert_many
    default_inference_model: Callable[[Path, str], Document] = _default_inference_model
    check_template: Callable[..., Any] = _check_template
    settle_template: Callable[..., Any] = _settle_template
    read_inference_model: Callable[[Path], Document | None] = _read_inference_model
    template_truth: Callable[[Path, Path | None], Path | None] = _template_truth
    mend_template: Callable[..., Any] = _mend_template
    undo_template: Callable[[Path], Document] = _undo_template
    preview_template: Callable[..., Any] = _preview_template
    read_chat_template: Callable[[Path], str | None] = _read_chat_template
    settle_chat_template: Callable[..., Any] = _settle_chat_template
    deploy: Callable[..., Any] = _deploy
    list_deployments: "Callable[[], Sequence[Deployment]]" = _list_deployments
    deploy_targets: Callable[[], Sequence[str]] = _deploy_targets
    open_service: Callable[..., AbstractAsyncContextManager[Any]] = _open_service
    probe_service: Callable[..., Any] = _probe_service
    start_background: Callable[..., Any] = _start_background
    list_background: "Callable[[], Sequence[BackgroundService]]" = _list_background
    sweep_staging: Callable[[], list[Path]] = _sweep_staging
    stop_background: "Callable[[BackgroundService], None]" = _stop_background
    examine: Callable[..., Any] = _examine
    offer_commands: Callable[..., Any] = _offer_commands
    run_foundry: Callable[..., Any] = _run_foundry
    move_cache: Callable[..., Any] = _move_cache
    read_cache_change: "Callable[[], CacheChange | None]" = _read_cache_change
    put_cache_back: Callable[..., Any] = _put_cache_back
    undo: Callable[..., Any] = _undo
    open_target: "Callable[..., AbstractAsyncContextManager[ChatBackend]]" = _open_target
    find_servers: Callable[..., Any] = _find_servers
    benchmark: Callable[..., Any] = _benchmark
    tune: Callable[..., Any] = _tune
    keep_tuned: Callable[[Path, Mapping[str, Any]], None] = _keep_tuned
    check_quality: Callable[..., Any] = _check_quality
    write_report: "Callable[[Run], Document]" = _write_report
    write_run_toml: "Callable[[Run, Session], Path]" = _write_run_toml
