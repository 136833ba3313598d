"""The prompts whose answers drifted most: the original's answer and the artifact's, side by side."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from firstlight_core.documents.measure import DriftExample, QualitiesDocument, QualityDocument
from firstlight_core.text import one_line, visible
from firstlight_tui.widgets.screens import Page
from firstlight_tui.widgets.token_view import change_content
from firstlight_tui.widgets.words import Words, part

NOTHING = "No drift from the original has been measured yet."


class WorstScreen(Page[None]):
    """Shows the examples of one quality document; `c` copies them as text."""

    CSS = """
    WorstScreen .example { height: auto; margin-bottom: 1; }
    WorstScreen .sides { height: auto; }
    WorstScreen .side { width: 1fr; height: auto; border: round $border-blurred; padding: 0 1; border-title-color: $text-accent; }
    WorstScreen Words { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="worst.close", tooltip="Back to the step"),
        Binding("c", "copy", "Copy", id="worst.copy", tooltip="Copy all examples as text"),
    ]

    def __init__(self, quality: QualityDocument | QualitiesDocument | None) -> None:
        super().__init__()
        self._examples = worst_examples(quality) if quality is not None else []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("What drifted most")
            box.border_subtitle = Content("Esc closes · c copies")
            with VerticalScroll():
                if not self._examples:
                    yield Words(NOTHING)
                for name, example in self._examples:
                    yield from _example(name, example)

    def action_copy(self) -> None:
        """Put all examples on the clipboard as text."""
        text = "\n\n".join(example_text(name, example) for name, example in self._examples)
        self.app.copy_to_clipboard(text or NOTHING)
        self.notify("Copied.", markup=False)


def worst_examples(
    quality: QualityDocument | QualitiesDocument,
) -> Sequence[tuple[str, DriftExample]]:
    """Pairs of target and example; the name is empty where only one target was checked."""
    if quality["kind"] == "quality":
        return [("", example) for example in _examples(quality)]
    return [
        (PurePath(checked["target"]).name, example)
        for checked in quality["artifacts"]
        for example in _examples(checked)
    ]


def _examples(quality: QualityDocument) -> list[DriftExample]:
    return quality["drift"]["worst"] if "drift" in quality else []


def distance_words(example: DriftExample) -> str:
    """Return the distance of the artifact's answer from the original's, in words."""
    words = [f"mean KL {example['kl_mean']:.2g} nats a token"]
    if (first := example["first_divergence"]) is not None:
        words.append(f"at token {first + 1} the artifact would choose another one")
    else:
        words.append("the artifact would choose every token of the original's answer")
    return "; ".join(words)


def example_text(name: str, example: DriftExample) -> str:
    """Return one example as plain text."""
    head = f"{name}: " if name else ""
    return "\n".join(
        [
            f"{head}{visible(example['prompt'])}",
            distance_words(example),
            f"Original: {visible(example['original'])}",
            f"Artifact: {visible(example['artifact'])}",
        ]
    )


def _example(name: str, example: DriftExample) -> ComposeResult:
    original, artifact = visible(example["original"]), visible(example["artifact"])
    with Vertical(classes="example"):
        yield Words(
            Content.assemble(
                part(f"{one_line(name, 40)}  " if name else "", "$text-accent"),
                part(one_line(example["prompt"], 300), "bold"),
                part(f"\n{distance_words(example)}", "$foreground-muted"),
            )
        )
        with Horizontal(classes="sides"):
            with Vertical(classes="side") as left:
                left.border_title = Content("The original")
                yield Words(original)
            with Vertical(classes="side") as right:
                right.border_title = Content("The artifact")
                same = original.strip() == artifact.strip()
                yield Words(
                    "The same, to the last word." if same else change_content(original, artifact)
                )
