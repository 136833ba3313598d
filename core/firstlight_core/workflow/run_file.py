"""`run.toml`: the plan of a whole walk, written by the wizard, read by `firstlight run`.

Sections that are absent are steps that are skipped. Relative paths are relative to the file.
"""

import tomllib
from pathlib import Path

import tomli_w

from firstlight_core.artifact.inference_model import check_name, validate_inference_model
from firstlight_core.artifact.model_caches import CACHES
from firstlight_core.artifact.sampling_ranges import SAMPLING_RANGES
from firstlight_core.conversion.calibration_choice import calibration_word, text_for
from firstlight_core.deploy.targets import asks_capacity, deploy_targets
from firstlight_core.errors import InputRefused, TemplateRefused, UsageError
from firstlight_core.exports.vllm_command import CAPACITY_LIMITS, Capacity
from firstlight_core.files import read_limited, write_whole
from firstlight_core.ledger import Run
from firstlight_core.paths import RUN_FILE, find_paths
from firstlight_core.precision.table import DEFAULT_PRECISION, find_precision, precision_key
from firstlight_core.session import Session
from firstlight_core.template.presets import TOKENIZER, find_preset
from firstlight_core.text import one_line, shown_path
from firstlight_core.workflow.plan import (
    BenchChoice,
    ChatChoice,
    DeployChoice,
    Plan,
    QualityChoice,
    TemplateChoice,
    plan_of,
)
from firstlight_core.workflow.plan_configs import read_configs
from firstlight_core.workflow.plan_values import Section
from firstlight_core.workflow.run_file_content import SAMPLE, SCHEMA, run_file_content

METHODS = ("config", "command")
_LIMIT = 2**20
_HEAD = f"""\
# A run of Firstlight. Repeat it with:  firstlight run {RUN_FILE} --yes
# Relative paths are relative to this file. A section that is missing is a step that is skipped.
"""


def read_run_toml(path: Path) -> Plan:
    """Read and check a plan; runs nothing.

    Raises:
        InputRefused: it cannot be read, is no TOML, or a key is unknown, missing or wrong; the message names it.
    """
    raw = read_limited(path, limit=_LIMIT)
    file_name = shown_path(path.name)
    try:
        document = tomllib.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputRefused(f"{file_name} is not valid TOML: {one_line(reason, 120)}.") from error
    top = Section(document, file_name, folder=path.absolute().parent)
    schema = top.text("schema", SCHEMA)
    if schema != SCHEMA:
        raise top.wrong(
            "schema", f"is {one_line(str(schema), 40)!r}; this Firstlight reads {SCHEMA!r}"
        )
    plan = _plan(top)
    top.nothing_else()
    return plan


def _plan(top: Section) -> Plan:
    source, artifact = top.path("source", words={SAMPLE: find_paths().sample}), top.path("artifact")
    if (source is None) == (artifact is None):
        raise top.wrong("source", "must be given, or `artifact` in its place, and not both")
    base = top.path("base", words={SAMPLE: find_paths().sample})
    if source is None and base is not None:
        raise top.wrong("base", "belongs to `source`; an adopted `artifact` is not converted")
    precisions = _keys(top)
    if artifact is not None and precisions:
        raise top.wrong("precisions", "belongs to `source`; an adopted `artifact` is not converted")
    if source is not None and not precisions:
        precisions = (DEFAULT_PRECISION,)
    _check_precisions(top, "precisions", precisions)
    named = top.text("use")
    use = precision_key(named) if named is not None else next(iter(precisions), None)
    if use is not None and use not in precisions:
        raise top.wrong("use", "is none of `precisions`")
    method = top.choice("method", METHODS, "config")
    configs = read_configs(top, source, precisions, base=base)
    if configs and method != "config":
        raise top.wrong("configs", "belongs to the method `config`")
    calibration = calibration_word(top.text("calibration")) or top.path("calibration")
    if calibration is not None and not any(
        text_for(find_precision(key), calibration, configs.get(key)) for key in precisions
    ):
        raise top.wrong("calibration", "belongs to a precision that is rounded on a text")
    template = top.section("template")
    return Plan(
        source=source,
        base=base,
        artifact=artifact,
        precisions=precisions,
        use=use,
        method=method,
        configs=configs,
        calibration=calibration,
        template=_template(template) if template is not None else None,
        deploy=_deploy(section) if (section := top.section("deploy")) else None,
        chat=_chat(section) if (section := top.section("chat")) else None,
        benchmark=_bench(section, precisions) if (section := top.section("bench")) else None,
        quality=_quality(section, source, precisions)
        if (section := top.section("quality"))
        else None,
    )


def _keys(section: Section) -> tuple[str, ...]:
    """Return the keys of the precisions of a section, which may hold labels."""
    return tuple(map(precision_key, section.texts("precisions")))


def _check_precisions(section: Section, key: str, precisions: tuple[str, ...]) -> None:
    for precision in precisions:
        try:
            find_precision(precision)
        except UsageError as error:
            raise section.wrong(key, _because("names none", error)) from error
    if len(set(precisions)) != len(precisions):
        raise section.wrong(key, "names one of them twice")


def _because(what: str, error: UsageError) -> str:
    """Return the fault of a value in the words of the module that checks it, without the last full stop."""
    return f"{what}: {error.with_hint}".rstrip(" .")


def _template(section: Section) -> TemplateChoice:
    preset, table = section.text("preset"), section.table("inference_model")
    if preset is not None and table is not None:
        raise section.wrong("preset", "and `inference_model` exclude each other")
    if preset not in (None, TOKENIZER):
        try:
            find_preset(preset)
        except UsageError as error:
            raise section.wrong("preset", _because("names none", error)) from error
    section.nothing_else()
    if table is None:
        return TemplateChoice(preset=preset)
    try:
        model = validate_inference_model(table)
    except TemplateRefused as error:
        raise section.wrong(
            "inference_model", f"cannot be used: {str(error).rstrip('.')}"
        ) from error
    return TemplateChoice(inference_model=model)


def _deploy(section: Section) -> DeployChoice:
    name = section.text("name")
    if not name:
        raise section.wrong("name", "is missing")
    try:
        check_name(name)
    except UsageError as error:
        raise section.wrong("name", _because("cannot be used", error)) from error
    target = section.choice("target", deploy_targets(), "foundry")
    choice = DeployChoice(
        name=name,
        target=target,
        replace=section.flag("replace", True),
        cache=section.choice("cache", CACHES, "private"),
        capacity=_capacity(section) if asks_capacity(target) else None,
    )
    section.nothing_else()
    return choice


def _capacity(section: Section) -> Capacity | None:
    values = {
        key: value
        for key, (least, most) in CAPACITY_LIMITS.items()
        if (value := section.number(key, least=least, most=most)) is not None
    }
    return Capacity(**values) if values else None


def _chat(section: Section) -> ChatChoice:
    prompts = section.texts("prompts")
    if not prompts:
        raise section.wrong("prompts", "must hold at least one question")
    choice = ChatChoice(
        prompts=prompts,
        system=section.text("system", "") or "",
        max_tokens=_max_tokens(section, "max_tokens") or 128,
    )
    section.nothing_else()
    return choice


def _max_tokens(section: Section, key: str) -> int | None:
    span = SAMPLING_RANGES["max_tokens"]
    return section.number(key, least=int(span.least), most=int(span.most))


def _bench(section: Section, converted: tuple[str, ...]) -> BenchChoice:
    choice = BenchChoice(
        lengths=section.numbers("lengths", least=1, most=1_000_000),
        new_tokens=_max_tokens(section, "new_tokens"),
        repeats=section.number("repeats", least=1, most=1_000),
        precisions=_subset(section, converted),
    )
    section.nothing_else()
    return choice


def _quality(section: Section, source: Path | None, converted: tuple[str, ...]) -> QualityChoice:
    words = {} if source is None else {"source": source}
    choice = QualityChoice(
        prompts=section.path("prompts", words={SAMPLE: find_paths().sample_prompts}),
        reference=section.path("reference", words={**words, SAMPLE: find_paths().sample}),
        text=section.path("text"),
        precisions=_subset(section, converted),
    )
    section.nothing_else()
    return choice


def _subset(section: Section, converted: tuple[str, ...]) -> tuple[str, ...]:
    precisions = _keys(section)
    if foreign := [p for p in precisions if p not in converted]:
        raise section.wrong(
            "precisions", f"names {one_line(foreign[0], 40)!r}, which is not converted"
        )
    return precisions


def write_run_toml(run: Run, session: Session) -> Path:
    """Write the plan that repeats what this session did, into the run's folder.

    Raises:
        InputRefused: the session has neither a source nor an artifact yet.
        StateProblem: it cannot be written.
    """
    path = write_plan(run.folder / RUN_FILE, plan_of(session))
    run.record("session", "done", values=session.to_json())
    return path


def write_plan(path: Path, plan: Plan) -> Path:
    """Write a plan; `read_run_toml` is the inverse.

    Raises:
        StateProblem: it cannot be written.
    """
    write_whole(path, _HEAD + tomli_w.dumps(run_file_content(plan)), mode=0o600)
    return path
