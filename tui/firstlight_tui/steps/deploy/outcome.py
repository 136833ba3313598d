"""The outcome of a deployment in words and colours: both answers, the folder, the commands."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.layout import DockArrangeResult

from firstlight_core.documents.deploy import Deployed
from firstlight_core.text import one_line, seconds_text, shown_path, visible
from firstlight_tui.state.deployment import next_commands, typed_here
from firstlight_tui.widgets.charts.paragraphs import HangingText, Paragraph
from firstlight_tui.widgets.token_view import change_content
from firstlight_tui.widgets.words import Words, part


class EvenPair(Horizontal):
    """Two panes of the same width, so that the same text takes the same lines in both; an odd cell stays empty."""

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Arrange both in an even number of cells."""
        return super().arrange(Size(size.width // 2 * 2, size.height), optimal)


class Outcome(Vertical):
    """Foundry Local's answer beside the artifact's own, and what can be done next."""

    DEFAULT_CSS = """
    Outcome { height: auto; display: none; margin-top: 1; }
    Outcome.-shown { display: block; }
    Outcome #answers { height: auto; display: none; }
    Outcome #answers.-shown { display: block; layout: horizontal; }
    Outcome #answers Vertical { height: auto; width: 1fr; border: round $border-blurred; padding: 0 1; border-title-color: $text-accent; }
    Outcome Words { height: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Words(id="verdict")
        with EvenPair(id="answers"):
            for key, title in (("foundry", "Foundry Local"), ("own", "The artifact itself")):
                with Vertical() as card:
                    card.border_title = Content(title)
                    yield Words(id=f"answer-{key}")
        yield Words(id="commands")
        yield Words(id="places")

    def show(self, document: Deployed) -> None:
        """Show a deployment's document."""
        self.add_class("-shown")
        self.query_one("#verdict", Words).update(_verdict(document))
        answer = own = ""
        if document["kind"] == "answered":
            answer, own = visible(document["answer"]), visible(document["artifact_answer"])
        self.query_one("#answers").set_class(bool(answer or own), "-shown")
        same = answer.strip() == own.strip()
        self.query_one("#answer-foundry", Words).update(
            Content.assemble(part(answer)) if same else change_content(own, answer)
        )
        self.query_one("#answer-own", Words).update(own)
        self.query_one("#commands", Words).update(_commands(document))
        self.query_one("#places", Words).update(_places(document))

    def say(self, sentence: str) -> None:
        """One sentence in place of a deployment."""
        self.add_class("-shown")
        self.query_one("#answers").remove_class("-shown")
        self.query_one("#verdict", Words).update(sentence)
        self.query_one("#commands", Words).update("")
        self.query_one("#places", Words).update("")


def _verdict(document: Deployed) -> HangingText:
    headline = Content.assemble(_headline(document), part(one_line(document["id"], 90), "bold"))
    lines = [Paragraph(text=headline)]
    if document["kind"] == "answered":
        # In a line of its own: behind the headline a figure would be cut from its word.
        times = (
            f"loaded in {seconds_text(document['load_seconds'])}"
            f"  answered in {seconds_text(document['answer_seconds'])}"
        )
        lines.append(Paragraph(head=[("  ", "")], text=Content.styled(times, "$foreground-muted")))
    return HangingText(*lines)


def _headline(document: Deployed) -> tuple[str, str]:
    match document["kind"]:
        case "answered" if document["verified"]:
            return part(
                "✓ Verified: same answer from Foundry Local as from the model itself. ",
                "bold $text-success",
            )
        case "answered":
            return part("! Published, but the answers differ. ", "bold $text-warning")
        case "export" if document["verified"]:
            return part("✓ Written, read back and checked. ", "bold $text-success")
        case "export":
            return part("✓ Written. ", "bold $text-success")
        case "published":
            return part("✓ Published; nothing was asked. ", "bold $text-success")


def _places(document: Deployed) -> HangingText:
    lines = []
    if document["kind"] == "answered" and (question := document["question"]):
        lines.append(_named("asked", part(one_line(question, 300))))
    lines.append(_named("folder", part(shown_path(document["path"]))))
    if config := document.get("model_config"):
        values = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in config.items())
        lines.append(_named("answers", part(f"by default with {values}")))
    seen_by = document["seen_by"] if document["kind"] != "export" else []
    if readers := [row for row in seen_by if row["sees"] or row["here"]]:
        seen = "; ".join(
            f"{'' if row['sees'] else 'not by '}{one_line(str(row['reader']), 80)}"
            for row in readers
        )
        lines.append(_named("found by", part(f"{seen} · d says why")))
    lines += [
        Paragraph(text=Content(visible(one_line(str(note), 400))))
        for note in document.get("notes", ())
    ]
    return HangingText(*lines)


def _commands(document: Deployed) -> HangingText:
    """Return the command to type next, the others that can be typed here, and which programs the rest needs."""
    commands = next_commands(document["commands"])
    lines = []
    if (first := commands.first) is not None:
        does = part(f"  {one_line(first['does'], 160)} · c copies it", "$foreground-muted")
        command = part(one_line(first["command"], 300), "bold $text-success")
        lines.append(_named("next", command, does))
    for row in commands.further:
        does = part(f"  {one_line(row['does'], 160)}", "$foreground-muted")
        lines.append(_named("or", part(one_line(row["command"], 300)), does))
    if programs := commands.absent_programs:
        count = len(commands.absent)
        names = ", ".join(one_line(name, 40) for name in programs)
        words = f"{count} more command{'s' * (count != 1)} for {names}, not found here: F6"
        lines.append(Paragraph(text=Content.assemble(part(words, "$foreground-muted"))))
    return HangingText(*lines)


def _named(name: str, *pieces: tuple[str, str]) -> Paragraph:
    return Paragraph(head=[(f"{name:9}", "$text-accent")], text=Content.assemble(*pieces))


def command_rows(document: Deployed | None) -> list[tuple[str, str, str]]:
    """`(key, command, what it does)` for each command of a deployment."""
    rows = map(typed_here, document["commands"] if document is not None else [])
    return [
        (str(index), one_line(str(row["command"]), 300), one_line(str(row["does"]), 160))
        for index, row in enumerate(rows)
    ]
