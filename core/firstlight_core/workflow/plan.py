"""The plan of a run without a screen; `run_file` reads and writes it, `walk` carries it out."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from firstlight_core.conversion.calibration_choice import (
    CalibrationChoice,
    calibration_choice,
    text_for,
)
from firstlight_core.conversion.calibration_text import read_calibration
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.deploy import Deployed
from firstlight_core.documents.inference import ChatRecord
from firstlight_core.documents.measure import BenchDocument, QualitiesDocument, QualityDocument
from firstlight_core.documents.run_file import Configs
from firstlight_core.errors import InputRefused
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.files import is_file, is_folder
from firstlight_core.measure.quality_prompts import ORIGINS
from firstlight_core.model.adapter_bases import remembered_base
from firstlight_core.model.base_choice import choose_base
from firstlight_core.paths import expanded, find_paths
from firstlight_core.precision.table import DEFAULT_PRECISION, find_precision, preferred_precision
from firstlight_core.session import Session
from firstlight_core.text import shown_path


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChoice:
    """How the prompt template is settled: a whole inference_model.json, a preset, or, of neither, the tokenizer's own."""

    preset: str | None = None
    inference_model: InferenceModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployChoice:
    """Under which name and where the artifact is deployed."""

    name: str
    target: str = "foundry"
    replace: bool = True
    """Whether a deployment of that name, such as that of the walk before, gives way."""
    cache: str = "private"
    """The cache that holds it: Firstlight's own, or `foundry`, the foundry command's."""
    capacity: Capacity | None = None
    """How big a vLLM server; None leaves it to `deploy`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatChoice:
    """Questions of one greedy conversation, in order."""

    prompts: tuple[str, ...]
    system: str = ""
    max_tokens: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchChoice:
    """The measurement to make; `None` leaves a value to `benchmark`. No precisions: the one in use."""

    lengths: tuple[int, ...] | None = None
    new_tokens: int | None = None
    repeats: int | None = None
    precisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityChoice:
    """Against what the quality is checked. No precisions: the one in use."""

    prompts: Path | None = None
    reference: Path | None = None
    text: Path | None = None
    """The user's own text for measuring drift; needs a reference."""
    precisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One whole walk. Either `source` is converted to `precisions`, or `artifact` is adopted as it is."""

    source: Path | None = None
    base: Path | None = None
    """The base of a source that is a LoRA adapter, where it was named by hand."""
    artifact: Path | None = None
    precisions: tuple[str, ...] = ()
    use: str | None = None
    """The precision that template, deployment and chat work on."""
    method: str = "config"
    configs: Configs = field(default_factory=dict)
    """Edited Olive configurations by precision (method `config`); the others are converted as their rows say."""
    calibration: CalibrationChoice | None = None
    """The text or prompts that weights are rounded on, or a word; None means the built-in text."""
    template: TemplateChoice | None = None
    """None leaves the artifact's files as they are."""
    deploy: DeployChoice | None = None
    chat: ChatChoice | None = None
    benchmark: BenchChoice | None = None
    quality: QualityChoice | None = None

    @property
    def subject(self) -> Path:
        """The subject of the run: the source, or the adopted artifact."""
        folder = self.source or self.artifact
        assert folder is not None
        return folder


def check_files(plan: Plan) -> None:
    """Look for what the last step will read, before minutes are spent on the others.

    Raises:
        InputRefused: the questions or the reference of the quality check, or the calibration text, cannot be read.
        ModelRefused: the base that is named does not fit the source.
    """
    if plan.source is not None and plan.base is not None:
        choose_base(plan.source, plan.base)
    if plan.calibration is not None:
        read_calibration(plan.calibration)
    quality = plan.quality or QualityChoice()
    if quality.prompts is not None and not is_file(quality.prompts):
        raise InputRefused(
            f"There is no file {shown_path(quality.prompts)}.",
            hint="Correct `quality.prompts`: JSON lines, or the word sample.",
        )
    if quality.reference is not None and not is_folder(quality.reference):
        raise InputRefused(
            f"There is no folder {shown_path(quality.reference)}.",
            hint="Correct `quality.reference`: the source model, or the word source.",
        )
    if quality.text is not None and not is_file(quality.text):
        raise InputRefused(
            f"There is no file {shown_path(quality.text)}.",
            hint="Correct `quality.text`: a text file, or leave it out.",
        )
    if quality.text is not None and quality.reference is None:
        raise InputRefused(
            "`quality.text` needs an original to compare with.",
            hint='Add `reference = "source"` to [quality].',
        )


def plan_of(session: Session) -> Plan:
    """Return the plan that repeats what a session has decided and done.

    Raises:
        InputRefused: the session has neither a source nor an artifact yet.
    """
    if session.source is None and session.artifact is None:
        raise InputRefused(
            "There is nothing to repeat yet: no model has been chosen.",
            hint="Choose a model first.",
        )
    source = Path(session.source).absolute() if session.source is not None else None
    precisions: tuple[str, ...] = ()
    use = None
    if source is not None:
        made = [a["precision"] for a in session.artifacts]
        precisions = tuple(dict.fromkeys([*session.precisions, *made])) or (DEFAULT_PRECISION,)
        use = session.precision_in_use or preferred_precision(precisions) or precisions[0]
    return Plan(
        source=source,
        base=remembered_base(source) if source is not None else None,
        artifact=Path(session.artifact or "").absolute() if source is None else None,
        precisions=precisions,
        use=use,
        method=session.method,
        configs={
            key: config
            for key, config in (session.configs or {}).items()
            if key in precisions and session.method == "config"
        },
        calibration=_calibration_of(session, precisions),
        template=TemplateChoice(inference_model=session.template["inference_model"])
        if session.template is not None
        else None,
        deploy=_deploy_of(session.deployment) if session.deployment is not None else None,
        chat=_chat_of(session.chat) if session.chat is not None else None,
        benchmark=_bench_of(session.benchmark) if session.benchmark is not None else None,
        quality=_quality_of(session.quality, source) if session.quality is not None else None,
    )


def _calibration_of(session: Session, precisions: tuple[str, ...]) -> CalibrationChoice | None:
    named, configs = session.calibration, session.configs or {}
    if named is None or not any(
        text_for(find_precision(key), named, configs.get(key)) for key in precisions
    ):
        return None
    return calibration_choice(named)


def _deploy_of(deployed: Deployed) -> DeployChoice:
    choice = DeployChoice(name=deployed["name"], target=deployed["target"])
    if deployed["kind"] != "export":
        return replace(choice, cache=deployed["cache"])
    if (capacity := deployed.get("capacity")) is not None:
        return replace(choice, capacity=Capacity(**capacity))
    return choice


def _chat_of(chat: ChatRecord) -> ChatChoice | None:
    """Return the user's questions in order, as one conversation; None without any."""
    prompts = tuple(turn["text"] for turn in chat["turns"] if turn["role"] == "user")
    return ChatChoice(prompts=prompts) if prompts else None


def _bench_of(benchmark: BenchDocument) -> BenchChoice:
    return BenchChoice(
        lengths=tuple(benchmark["lengths"]) or None,
        new_tokens=benchmark["new_tokens"],
        repeats=benchmark["repeats"],
    )


def _quality_of(
    document: QualityDocument | QualitiesDocument, source: Path | None
) -> QualityChoice:
    # Of several targets each has a document of its own; what they were asked is the same.
    quality = document["artifacts"][0] if document["kind"] == "qualities" else document
    prompts = quality["prompts"]
    compared = "drift" in quality
    text = quality.get("text") if compared else None
    if prompts not in ORIGINS:
        file: Path | None = expanded(prompts).absolute()
    else:
        on_sample = prompts == "sample" or source == find_paths().sample
        file = find_paths().sample_prompts if on_sample else None
    return QualityChoice(
        prompts=file,
        reference=source if compared else None,
        text=expanded(text).absolute() if text is not None else None,
    )
