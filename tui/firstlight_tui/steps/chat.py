"""Step 7: talk to the artifact."""

from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button, Input

from firstlight_core.errors import FirstlightError
from firstlight_core.files import write_whole
from firstlight_core.session import Session
from firstlight_core.text import shown_path
from firstlight_tui.conversation import Turn
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.transcript import Transcript

SUGGESTION = "What is int4 quantization?"
"""What an empty Enter asks the sample model; a model of one's own gets no suggestion."""
COMMANDS = (
    "/help /clear /system TEXT /history /stats /model /retry /edit /save /temperature N /exit"
)
PAINT_SECONDS = 0.05


class ChatStep(StepScreen):
    """Streaming answers, each with its figures."""

    STEP_ID = "chat"
    STEP_TITLE = "Chat"
    PURPOSE = ""
    HELP = f"Type and press Enter. Commands: {COMMANDS}. Sampling is greedy until /temperature says otherwise."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "stop",
            "Stop",
            id="chat.stop",
            tooltip="Stop the answer; what there is of it stays",
        ),
        Binding(
            "ctrl+r", "retry", "Again", id="chat.retry", tooltip="Answer the last question again"
        ),
        Binding(
            "ctrl+e",
            "edit",
            "Edit",
            id="chat.edit",
            tooltip="Take the last question back and edit it",
        ),
        Binding(
            "ctrl+s", "save", "Save", id="chat.save", tooltip="Save the conversation as Markdown"
        ),
        Binding(
            "f4", "prompt", "Prompt", id="chat.prompt", tooltip="The rendered prompt and its tokens"
        ),
        *(
            Binding(
                f"f{6 + n}",
                f"rate({n})",
                f"{n}",
                id=f"chat.rate{n}",
                show=False,
                tooltip=f"Rate the answer {n} of 5",
            )
            for n in range(1, 6)
        ),
    ]

    @classmethod
    def missing(cls, session: Session) -> str | None:
        return None if session.artifact else "Convert a model, or adopt an artifact, first."

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.chat is not None

    def compose_step(self) -> ComposeResult:
        yield Words(id="engine")
        yield Transcript(id="transcript")
        yield Input(id="ask", compact=True)

    def compose_actions(self) -> ComposeResult:
        yield Button("Stop", id="stop", compact=True)

    def opened(self) -> None:
        self._dirty = True
        talk = self.wizard.conversation
        talk.changed.subscribe(self, self._changed)
        self.set_interval(PAINT_SECONDS, self._paint_if_needed)
        self.query_one("#ask", Input).placeholder = (
            f"Enter asks: {SUGGESTION}" if self._on_sample() else "Ask the model something"
        )
        if self.session.artifact is None:
            self.query_one("#engine", Words).update("There is no artifact yet: convert first.")
            return
        talk.open(self.session.artifact)
        self._paint()

    def first_focus(self) -> None:
        self.query_one("#ask", Input).focus()

    def _on_sample(self) -> bool:
        return self.session.source == str(self.wizard.paths.sample)

    # Asking ---------------------------------------------------------------------------------------

    @on(Input.Submitted, "#ask")
    def _asked(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if not text:
            if not self._on_sample() or self.wizard.conversation.turns:
                return
            text = SUGGESTION
        event.input.value = ""
        if text.startswith("/"):
            self._command(text)
        elif self.wizard.conversation.busy and self.wizard.conversation.status == "answering":
            event.input.value = text
            self.notify("One answer at a time: Esc stops this one.", markup=False)
        elif self.session.artifact is not None:
            self.clear_problem()
            self.wizard.conversation.send(text)

    def _command(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        talk = self.wizard.conversation
        match word:
            case "/help":
                self.app.push_screen(DetailScreen("Chat", f"{COMMANDS}\n\n{self.HELP}"))
            case "/exit":
                self.action_back()
            case "/clear":
                talk.clear()
            case "/system":
                talk.system = rest.strip()
                self.notify(
                    "System prompt set." if rest.strip() else "No system prompt.", markup=False
                )
            case "/history":
                self.app.push_screen(DetailScreen("History", talk.transcript()))
            case "/stats":
                lines = [f"{t.text[:40]!r}: {t.stats}" for t in talk.turns if t.stats] or [
                    "No answer yet."
                ]
                self.app.push_screen(DetailScreen("Measured", "\n".join(lines)))
            case "/model":
                lines = [f"{name}: {value}" for name, value in talk.loaded.items()]
                self.app.push_screen(DetailScreen("Model", "\n".join([str(talk.artifact), *lines])))
            case "/retry":
                self.action_retry()
            case "/edit":
                self.action_edit()
            case "/save":
                self.action_save()
            case "/temperature":
                self._set_temperature(rest)
            case _:
                self.notify(
                    f"No such command. There are: {COMMANDS}", severity="warning", markup=False
                )

    def _set_temperature(self, text: str) -> None:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 2:
            self.notify(
                "A temperature is a number from 0 (greedy) to 2.", severity="warning", markup=False
            )
            return
        talk = self.wizard.conversation
        talk.sampling = replace(talk.sampling, temperature=value)
        self.notify("Greedy." if value == 0 else f"Temperature {value}.", markup=False)

    async def action_stop(self) -> None:
        """Stop the answer that is being made."""
        await self.wizard.conversation.stop()

    @on(Button.Pressed, "#stop")
    async def _stop_pressed(self) -> None:
        await self.action_stop()

    def action_retry(self) -> None:
        """Answer the last question again."""
        if not self.wizard.conversation.busy:
            self.wizard.conversation.regenerate()

    def action_edit(self) -> None:
        """Take the last question back into the field."""
        if not self.wizard.conversation.busy:
            field = self.query_one("#ask", Input)
            field.value = self.wizard.conversation.take_back()
            field.focus()

    def action_rate(self, stars: int) -> None:
        """Rate the newest answer: the course's Output Quality."""
        for turn in reversed(self.wizard.conversation.turns):
            if turn.role == "assistant" and turn.text:
                turn.rating = int(stars)
                self._remember()
                self._paint()
                return

    def action_save(self) -> None:
        """Save the conversation beside the run."""
        self.wizard.record("chat", "saved")
        run = self.wizard.run_record
        folder = run.folder if run is not None else self.wizard.paths.data
        path = folder / "conversation.md"
        try:
            write_whole(path, self.wizard.conversation.transcript(), mode=0o600)
        except FirstlightError as error:
            self.show_problem(error)
        else:
            self.notify(f"Saved: {shown_path(path)}", markup=False)

    async def action_prompt(self) -> None:
        """Show the rendered prompt and its tokens."""
        talk = self.wizard.conversation
        if talk.status != "ready":
            self.notify("The model is not ready, or is answering.", markup=False)
            return
        try:
            rendered = await talk.render()
        except FirstlightError as error:
            self.show_problem(error)
            return
        pieces = rendered.get("pieces") or []
        ids = rendered.get("ids") or []
        rows = [f"{i:6d}  {p!r}" for i, p in zip(ids, pieces, strict=False)]
        text = f"{rendered.get('text', '')}\n\n{len(ids)} tokens\n" + "\n".join(rows)
        self.app.push_screen(DetailScreen("The rendered prompt", text))

    # Painting -------------------------------------------------------------------------------------

    def _changed(self, what: str) -> None:
        self._dirty = True
        if what == "status":
            self._remember()
            self._paint()

    def _remember(self) -> None:
        answers = [t for t in self.wizard.conversation.turns if t.role == "assistant" and t.stats]
        if not answers:
            return
        chat: dict[str, Any] = {
            "turns": [{"role": t.role, "text": t.text} for t in self.wizard.conversation.turns],
            "stats": [t.stats for t in answers],
            "ratings": [t.rating for t in answers if t.rating],
        }
        if self.session.chat != chat:
            fresh = self.session.chat is None or len(self.session.chat["stats"]) != len(answers)
            self.wizard.session = self.session.decide(chat=chat)
            if fresh:
                self.wizard.record(
                    "chat", "done", prompt=_last_prompt(self.wizard.conversation.turns), **chat
                )

    def _paint_if_needed(self) -> None:
        if self._dirty or self.wizard.conversation.status == "answering":
            self._paint()

    def _paint(self) -> None:
        self._dirty = False
        talk = self.wizard.conversation
        live = talk.status == "answering"
        self.query_one(Transcript).show(
            talk.turns, [figures(turn) for turn in talk.turns], live=live
        )
        words = {
            "closed": "No model is loaded.",
            "opening": "Loading the model in its own process …",
            "ready": _ready_words(talk.loaded, talk.turns),
            "answering": talk.note or "Answering … Esc stops",
            "failed": "The engine is not running; ask again to start it anew. Your conversation is kept.",
        }[talk.status]
        self.query_one("#engine", Words).update(words)
        self.query_one("#stop").display = live
        if talk.error is not None:
            self.show_problem(talk.error)


def figures(turn: Turn) -> str:
    """What an answer cost, measured in the engine."""
    stats = turn.stats
    if not stats:
        return ""
    parts = [f"{stats.get('prompt_tokens', '?')} → {stats.get('new_tokens', '?')} tokens"]
    if (ttft := stats.get("ttft_s")) is not None:
        parts.append(f"TTFT {ttft * 1000:.0f} ms")
    if (rate := stats.get("decode_tps")) is not None:
        parts.append(f"{rate:.0f} tok/s")
    if reused := stats.get("reused_tokens"):
        parts.append(f"{reused} from the KV cache")
    if turn.finish_reason and turn.finish_reason != "stop":
        parts.append(
            {"length": "cut at the token limit", "cancelled": "stopped"}.get(
                turn.finish_reason, turn.finish_reason
            )
        )
    return "measured: " + ", ".join(parts)


def _ready_words(loaded: dict[str, Any], turns: list[Turn]) -> str:
    limit = loaded.get("max_length") or loaded.get("context_length") or 0
    used = next(
        (t.stats.get("context_used") for t in reversed(turns) if t.stats.get("context_used")), 0
    )
    load = loaded.get("load_s")
    return (
        f"Ready (loaded in {load:.2f} s). Context {used} of {limit} tokens."
        if load is not None
        else "Ready."
    )


def _last_prompt(turns: list[Turn]) -> str:
    return next((t.text for t in reversed(turns) if t.role == "user"), "")
