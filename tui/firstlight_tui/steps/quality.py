"""Step 9: the course's five checks as real tests, and the drift against the original."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Label

from firstlight_core.session import Session
from firstlight_core.text import one_line
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.measuring import MeasuringStep
from firstlight_tui.widgets import Words, WorkView
from firstlight_tui.widgets.words import part
from firstlight_tui.works import OnEvent, Started, Work

if TYPE_CHECKING:
    from firstlight_tui.app import WizardApp

MARKS = {
    "pass": ("✓ pass      ", "$text-success"),
    "fail": ("✗ fail      ", "$text-error"),
    "needs-you": ("? needs you ", "$text-warning"),
    "not-run": ("· not run   ", "$foreground-muted"),
}


class QualityStep(MeasuringStep):
    """Each check with its status and evidence; drift in figures and words."""

    STEP_ID = "quality"
    STEP_TITLE = "Quality"
    PURPOSE = "The course's five checks, run for real, and how far the artifact has drifted from the original."
    HELP = 'Prompts: one JSON object a line, {"prompt": ..., "keys": [...]} or "expect" / "regex". The reference is computed once per source.'
    WORK = "quality"
    FIELD = "quality"
    RUN_LABEL = "Run the checks"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "again", "Run again", id="quality.again", tooltip="Run all checks once more"),
        Binding(
            "f6",
            "worst",
            "Worst",
            id="quality.worst",
            tooltip="The examples that drifted most, side by side",
        ),
    ]

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.quality is not None

    @classmethod
    def finished(cls, wizard: "WizardApp", result: dict[str, Any], seconds: float) -> None:
        wizard.session = wizard.session.decide(quality=result)
        status = "done" if result.get("ok", True) else "failed"
        wizard.record("quality", status, **{"seconds": seconds, **result})

    def compose_step(self) -> ComposeResult:
        yield Label(
            "Your prompts (JSON lines; empty: the sample's held-out questions, when it is the sample)"
        )
        yield Input(placeholder="prompts.jsonl", id="prompts", compact=True)
        yield WorkView(id="work")
        yield Words(id="checks")
        yield Words(id="drift", classes="card")

    def opened(self) -> None:
        self.query_one("#drift").display = False
        if self.session.quality is not None:
            self._show_document(self.session.quality)

    def action_again(self) -> None:
        """Run all checks."""
        if (target := self.session.target) is None:
            return
        session = self.session
        text = self.query_one("#prompts", Input).value.strip()
        on_sample = session.source == str(self.wizard.paths.sample)
        prompts = (
            Path(text).expanduser()
            if text
            else (self.wizard.paths.sample_prompts if on_sample else None)
        )
        # A server does not tell its probabilities, so there is no drift to measure.
        reference = Path(session.source) if session.source and session.endpoint is None else None
        ratings = [int(stars) for stars in (session.chat or {}).get("ratings") or ()]

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            self.quiet_the_chat()
            return dict(
                await self.wizard.services.check_quality(
                    target,
                    prompts=prompts,
                    reference=reference,
                    ratings=ratings,
                    network=session.network,
                    on_event=on_event,
                    started=started,
                )
            )

        self.wizard.start(self.WORK, "The quality check", run)
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        self.query_one("#work", WorkView).show(work)
        if work.result is not None:
            self._show_document(work.result)

    def _show_document(self, document: Mapping[str, Any]) -> None:
        lines = []
        for check in document.get("checks") or ():
            mark, style = MARKS.get(str(check["status"]), ("? ", "$foreground-muted"))
            lines.append(
                Content.assemble(
                    part(mark, style), part(str(check.get("title") or check["id"]), "bold")
                )
            )
            lines.append(
                Content.assemble(
                    part(f"              {_evidence(check.get('evidence'))}", "$foreground-muted")
                )
            )
        self.query_one("#checks", Words).update(Content("\n").join(lines))
        drift = document.get("drift")
        words = self.query_one("#drift", Words)
        words.display = isinstance(drift, Mapping)
        if isinstance(drift, Mapping):
            figures = [
                f"{label} {drift[key]:.4g}"
                for key, label in DRIFT
                if isinstance(drift.get(key), int | float)
            ]
            verdict = one_line(str(document.get("verdict") or drift.get("verdict") or ""))
            words.update(
                Content.assemble(
                    part("Drift against the original, measured: ", "$text-accent"),
                    part("; ".join(figures)),
                    part(f"\n{verdict}" if verdict else "", "bold"),
                )
            )

    def action_worst(self) -> None:
        """Show the examples that drifted most."""
        drift = (self.session.quality or {}).get("drift") or {}
        blocks = []
        for example in drift.get("worst") or ():
            blocks.append("\n".join(f"{key}: {value}" for key, value in example.items()))
        self.app.push_screen(
            DetailScreen("Worst examples", "\n\n".join(blocks) or "No drift has been measured.")
        )


DRIFT = (
    ("top1_agreement", "top-1 agreement"),
    ("kl_mean", "mean KL"),
    ("kl_p95", "95th percentile KL"),
    ("perplexity_ratio", "perplexity ratio"),
)


def _evidence(evidence: Any) -> str:
    """The sentence in the evidence; the rest of it is in the report."""
    words = evidence.get("summary", "") if isinstance(evidence, Mapping) else evidence
    return one_line(str(words or ""), 400)
