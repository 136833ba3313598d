"""What a deployment came to, in words and colours: both answers, the place, the commands."""

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from firstlight_core.text import one_line, seconds_text, shown_path, visible
from firstlight_tui.widgets.token_view import change_content
from firstlight_tui.widgets.words import Words, part


class Outcome(Vertical):
    """Foundry Local's answer beside the artifact's own, and what can be done next."""

    DEFAULT_CSS = """
    Outcome { height: auto; display: none; margin-top: 1; }
    Outcome.-shown { display: block; }
    Outcome #answers { height: auto; display: none; }
    Outcome #answers.-shown { display: block; layout: horizontal; }
    Outcome #answers Vertical { height: auto; width: 1fr; border: round $panel-lighten-2; padding: 0 1; border-title-color: $text-accent; }
    Outcome Words { height: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Words(id="verdict")
        with Horizontal(id="answers"):
            for key, title in (("foundry", "Foundry Local"), ("own", "The artifact itself")):
                with Vertical() as card:
                    card.border_title = Content(title)
                    yield Words(id=f"answer-{key}")
        yield Words(id="places")

    def show(self, document: Mapping[str, Any]) -> None:
        """Show a deployment's document."""
        self.add_class("-shown")
        self.query_one("#verdict", Words).update(_verdict(document))
        answer, own = (visible(str(document.get(k) or "")) for k in ("answer", "artifact_answer"))
        self.query_one("#answers").set_class(bool(answer or own), "-shown")
        same = answer.strip() == own.strip()
        self.query_one("#answer-foundry", Words).update(
            Content.assemble(part(answer)) if same else change_content(own, answer)
        )
        self.query_one("#answer-own", Words).update(own)
        self.query_one("#places", Words).update(_places(document))

    def say(self, sentence: str) -> None:
        """One sentence in place of a deployment."""
        self.add_class("-shown")
        self.query_one("#answers").remove_class("-shown")
        self.query_one("#verdict", Words).update(sentence)
        self.query_one("#places", Words).update("")


def _verdict(document: Mapping[str, Any]) -> Content:
    name = part(one_line(str(document.get("id") or document.get("name") or ""), 90), "bold")
    verified, answered = document.get("verified"), "answer" in document
    if verified and answered:
        head = part(
            "✓ Verified: same answer from Foundry Local as from the model itself. ",
            "bold $text-success",
        )
    elif answered:
        head = part("! Published, but the answers differ. ", "bold $text-warning")
    elif verified:
        head = part("✓ Written, read back and checked. ", "bold $text-success")
    elif "files" in document:
        head = part("✓ Written. ", "bold $text-success")
    else:
        head = part("✓ Published; nothing was asked. ", "bold $text-success")
    pieces = [head, name]
    for key, label in (("load_seconds", "loaded in"), ("answer_seconds", "answered in")):
        if isinstance(seconds := document.get(key), int | float):
            pieces.append(part(f"  {label} {seconds_text(seconds)}", "$foreground-muted"))
    return Content.assemble(*pieces)


def _places(document: Mapping[str, Any]) -> Content:
    lines = []
    for label, key in (("asked", "question"), ("reason", "reason"), ("folder", "path")):
        if value := document.get(key):
            value_text = shown_path(str(value)) if key == "path" else one_line(str(value), 300)
            lines.append(Content.assemble(part(f"{label:9}", "$text-accent"), part(value_text)))
    if isinstance(config := document.get("model_config"), Mapping):
        values = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in config.items())
        lines.append(
            Content.assemble(part("answers  ", "$text-accent"), part(f"by default with {values}"))
        )
    if readers := [row for row in document.get("seen_by") or () if row["sees"] or row["here"]]:
        seen = "; ".join(
            f"{'' if row['sees'] else 'not by '}{one_line(str(row['reader']), 80)}"
            for row in readers
        )
        lines.append(Content.assemble(part("found by ", "$text-accent"), part(f"{seen} (F3)")))
    lines += [Content.assemble(part(one_line(str(n), 400))) for n in document.get("notes") or ()]
    for row in command_rows(document):
        lines.append(
            Content.assemble(part(row[1], "bold"), part(f"  {row[2]}", "$foreground-muted"))
        )
    return Content("\n").join(lines)


def command_rows(document: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """`(key, command, what it does)` for each command of a deployment."""
    rows = (document or {}).get("commands") or ()
    return [
        (str(index), one_line(str(row["command"]), 300), one_line(str(row["does"]), 160))
        for index, row in enumerate(rows)
    ]
