"""The choices before a deployment: its name, its target, and its cache."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Grid
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, RadioButton, RadioSet

from firstlight_core.deploy.targets import PUBLISHED, target_words
from firstlight_core.errors import UsageError
from firstlight_core.text import one_line
from firstlight_tui.widgets.words import Words, part

CACHES: Mapping[str, tuple[str, str]] = {
    "private": ("Firstlight's own", "Found by Firstlight and apps that open it"),
    "foundry": ("the foundry command's", "Found by the foundry command too"),
}
"""Label and meaning of each cache of the core."""
CACHED = tuple(PUBLISHED)
"""Targets that stand in a cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the form says."""

    name: str
    target: str
    cache: str = "private"


class _Compact(RadioButton):
    """Five of them fit into 51 columns side by side; the mark has its own shape, not only its own colour."""

    BUTTON_LEFT = BUTTON_RIGHT = ""

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]
        """The mark."""
        return "●" if self.value else "○"


class ChoiceForm(Grid):
    """Name, target and cache; posts `Changed` whenever one of them is another."""

    DEFAULT_CSS = """
    ChoiceForm { grid-size: 2; grid-columns: 8 1fr; grid-rows: auto; height: auto; }
    ChoiceForm RadioSet { layout: horizontal; border: none; padding: 0; background: transparent; height: 1; }
    ChoiceForm RadioSet > RadioButton { width: auto; margin-right: 1; background: transparent; }
    ChoiceForm RadioSet > RadioButton > .toggle--button { background: transparent; color: $foreground 35%; }
    ChoiceForm RadioSet > RadioButton.-on > .toggle--button { color: $text-success; }
    ChoiceForm Words { height: auto; }
    ChoiceForm .-cache { display: none; }
    ChoiceForm.-cached .-cache { display: block; }
    """

    class Changed(Message):
        """Something else is chosen."""

    def __init__(self, choice: Choice, targets: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._first, self._targets = choice, targets

    def compose(self) -> ComposeResult:
        first = self._first
        yield Label("Name", classes="muted")
        yield Input(first.name, id="deploy-name", compact=True, max_length=200)
        yield Label("")
        yield Words(id="name-words")
        yield Label("Target", classes="muted")
        with RadioSet(id="targets", compact=True):
            for key in self._targets:
                yield _Compact(key, key == first.target, id=f"target-{key}", compact=True)
        yield Label("")
        yield Words(id="target-words", classes="muted")
        yield Label("Cache", classes="muted -cache")
        with RadioSet(id="caches", compact=True, classes="-cache"):
            for key, (label, _) in CACHES.items():
                yield _Compact(label, key == first.cache, id=f"cache-{key}", compact=True)
        yield Label("", classes="-cache")
        yield Words(id="cache-words", classes="muted -cache")

    @property
    def choice(self) -> Choice:
        """The current choice."""
        return Choice(
            name=self.query_one("#deploy-name", Input).value.strip(),
            target=self._marked("#targets", "target-") or self._first.target,
            cache=self._marked("#caches", "cache-") or self._first.cache,
        )

    def _marked(self, selector: str, prefix: str) -> str:
        button = self.query_one(selector, RadioSet).pressed_button
        return str(button.id).removeprefix(prefix) if button is not None else ""

    @on(Input.Changed, "#deploy-name")
    @on(RadioSet.Changed)
    def _chosen(self, event: Message) -> None:
        event.stop()
        self.post_message(self.Changed())

    def show(self, name_words: Content | str) -> None:
        """Paint what the chosen name, target and cache mean."""
        choice = self.choice
        self.set_class(choice.target in CACHED, "-cached")
        self.query_one("#name-words", Words).update(name_words)
        self.query_one("#target-words", Words).update(target_words(choice.target))
        self.query_one("#cache-words", Words).update(f"{CACHES[choice.cache][1]} (F3).")


def name_words(name: str, targets: Mapping[str, str], current: str | None) -> tuple[bool, Content]:
    """Whether a deployment may have this name, and that in words; `targets` is lower-case name → target."""
    from firstlight_core.artifact.inference_model import check_name

    try:
        check_name(name)
    except UsageError as error:
        return False, Content.assemble(part(f"✗ {error} {error.hint}", "$text-error"))
    if name == current:
        return True, Content.assemble(part("✓ deployed under this name", "$text-success"))
    if (target := targets.get(name.lower())) is not None:
        words = f"! taken ({one_line(target, 30)}): deploying replaces it, after a question"
        return True, Content.assemble(part(words, "$text-warning"))
    return True, Content.assemble(part("✓ the name is free", "$text-success"))
