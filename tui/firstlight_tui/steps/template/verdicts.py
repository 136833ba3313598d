"""The template check in words and colours: the verdict, each conversation, the changes, the preview."""

from collections.abc import Iterable, Mapping, Sequence

from textual.content import Content

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.template import (
    Difference,
    PreviewConversation,
    PreviewToken,
    ShapeRow,
    TemplatePreview,
    TemplateReport,
)
from firstlight_core.template.escapes import escaped
from firstlight_core.text import first_difference, one_line
from firstlight_tui.widgets.charts.roles import CAUTION, GOOD
from firstlight_tui.widgets.token_view import (
    change_content,
    legend_content,
    prompt_content,
    token_rows_content,
    tokens_content,
)
from firstlight_tui.widgets.words import part

LABEL = 27
"""Cells of the name of a conversation: with its tokens it fits into a pane beside another at 120 columns."""
ROOM = 74
"""Cells of a pane from which on names stand whole: the longest, its tokens, and who reads it otherwise."""
_GOOD, _BAD = part("✓ ", "$text-success"), part("✗ ", "$text-error")


def parity_content(document: TemplateReport | None, *, fresh: bool, saved: bool) -> Content:
    """Return the verdict in one line, and whether it is about the current fields."""
    if document is None:
        return Content("")
    exceptions = len(document.get("exceptions") or ())
    shapes = document.get("shapes") or ()
    same = sum("differs" not in (row["genai"], row["prompt_template"]) for row in shapes)
    counted = f" {same} of {len(shapes)} conversations" if shapes else ""
    count = part(f"{counted}: " if counted else " ", "bold")
    if document.get("locked") and exceptions:
        kinds = "one unusual text" if exceptions == 1 else f"{exceptions} unusual texts"
        pieces = [
            part(" ● Template matches ", f"bold reverse {GOOD}"),
            part(f"{counted} ", "bold"),
            part(f"(onnxruntime-genai reads {kinds} otherwise, whatever the template)."),
        ]
    elif document.get("locked"):
        pieces = [
            part(" ● Template matches ", f"bold reverse {GOOD}"),
            count,
            part("all renderers give the same tokens."),
        ]
    else:
        pieces = [
            part(" ○ Mismatch ", f"bold reverse {CAUTION}"),
            count,
            part(first_sentence(document) + "."),
        ]
    stop = document.get("stop_tokens")
    if isinstance(stop, Mapping) and not stop.get("ok"):
        pieces.append(part("  The model would not stop.", "$text-error"))
    if saved:
        pieces.append(part("  Saved.", "$foreground-muted"))
    elif not fresh:
        pieces.append(part("  The fields have changed since: F5 checks.", "$text-warning"))
    else:
        pieces.append(part("  Not saved yet.", "$foreground-muted"))
    return Content.assemble(*pieces)


def first_sentence(document: TemplateReport | None) -> str:
    """Return the first difference in words; what only the runtime does to unusual texts comes last."""
    if document is None:
        return "The check has not run"
    excepted = document.get("exceptions") or ()

    def last(difference: Difference) -> bool:
        return difference["shape"] in excepted

    for difference in sorted(document.get("differences") or (), key=last):
        return one_line(difference["sentence"]).rstrip(".")
    return "The check has not run"


def needs_repair(document: TemplateReport | None) -> bool:
    """Return whether the check found something that a repair may remove."""
    if document is None:
        return False
    stop = document.get("stop_tokens")
    return not document.get("locked") or (isinstance(stop, Mapping) and not stop.get("ok"))


def shapes_content(document: TemplateReport | None, *, width: int = 0) -> Content:
    """Return one line a conversation, its first difference below it, then stop token and notes, for a pane of `width`."""
    if document is None:
        return Content.styled("No check yet: F5 runs it.", "$foreground-muted")
    differences = document.get("differences") or []
    lines: list[Content] = []
    explained: dict[str, str] = {}
    shapes = document.get("shapes") or ()
    names = [str(shape.get("label") or shape.get("id")) for shape in shapes]
    cells = max([LABEL, *(min(len(name), 40) for name in names)]) if width >= ROOM else LABEL
    for shape, name in zip(shapes, names, strict=True):
        label = f"{one_line(name, cells):{cells}}"
        own = {
            str(d.get("between")): d
            for d in reversed(differences)
            if d.get("shape") == shape.get("id")
        }
        fresh = [d for d in own.values() if str(d.get("sentence")) not in explained]
        known = [explained[str(d["sentence"])] for d in own.values() if d not in fresh]
        lines.append(_shape_line(shape, label, as_in=known[0] if known and not fresh else ""))
        for difference in fresh:
            explained[str(difference.get("sentence"))] = label.rstrip()
            lines += _difference_lines(difference)
        if note := shape.get("note"):
            lines.append(Content.styled(f"    {one_line(str(note))}", "$foreground-muted"))
    stop = document.get("stop_tokens")
    if isinstance(stop, Mapping):
        words = one_line(str(stop.get("sentence") or ""), 400)
        lines.append(Content.assemble(_GOOD if stop.get("ok") else _BAD, part(words)))
    lines += [
        Content.assemble(part("! ", "$text-warning"), part(one_line(str(note), 400)))
        for note in document.get("notes") or ()
    ]
    return Content("\n").join(lines)


def _shape_line(shape: ShapeRow, label: str, *, as_in: str = "") -> Content:
    verdicts = {
        "genai": shape.get("genai", ""),
        "prompt_template": shape.get("prompt_template", ""),
    }
    different = any(verdict == "differs" for verdict in verdicts.values())
    counts = shape.get("tokens")
    tokens = counts["reference"] if counts is not None else None
    pieces = [_BAD if different else _GOOD, part(f"{label} ")]
    pieces.append(part(f"{tokens} tokens" if tokens is not None else "", "$foreground-muted"))
    if as_in:
        return Content.assemble(*pieces, part(f"  as in {as_in}", "$text-warning"))
    for name, verdict in verdicts.items():
        who = "PromptTemplate" if name == "prompt_template" else name
        if verdict == "differs":
            causes = shape.get("causes") if name == "genai" else None
            who = "genai's tokenizer" if causes == ["tokenizer"] else who
            pieces.append(part(f"  {who}", "$text-warning"))
        elif verdict == "cannot" and name == "genai":
            pieces.append(part("  transformers only", "$foreground-muted"))
        elif verdict == "cannot":
            pieces.append(part("  genai only", "$foreground-muted"))
    return Content.assemble(*pieces)


def _difference_lines(difference: Difference) -> Iterable[Content]:
    """Yield the first difference in words, and its tokens: wanted green, found red."""
    sentence = one_line(str(difference.get("sentence", "")), 300)
    yield Content.styled(f"    {sentence}", "$text-warning")
    for tokens, word, style in (
        (difference.get("expected"), "wanted", "bold $text-success on $success-muted"),
        (difference.get("found"), "found", "bold $text-error on $error-muted"),
    ):
        if not tokens:
            continue
        pieces = [part(f"    {word:7}", "$foreground-muted")]
        for token in tokens[:12]:
            text = escaped(str(token.get("text", ""))) or "<nothing>"
            pieces += [part(text, style), part(f" {token.get('id')}  ", "$foreground-muted")]
        yield Content.assemble(*pieces)


def changes_content(document: InferenceModel, tokenizer: Mapping[str, str] | None) -> Content:
    """Return each field against what the tokenizer's own template implies."""
    if tokenizer is None:
        return Content.styled(
            "The tokenizer's own fields are known after a check: F5.", "$foreground-muted"
        )
    prompts = document.get("PromptTemplate") or {}
    lines = [
        Content.assemble(
            part("red ", "$text-error"),
            part("only in the tokenizer's · ", "$foreground-muted"),
            part("green ", "$text-success"),
            part("only in yours", "$foreground-muted"),
        )
    ]
    for role in ("system", "user", "assistant", "prompt"):
        theirs, mine = escaped(tokenizer.get(role, "")), escaped(str(prompts.get(role, "")))
        head = part(f"{role:10}", "$text-accent")
        if theirs == mine:
            lines.append(Content.assemble(_GOOD, head, part("the same", "$foreground-muted")))
        else:
            lines.append(Content.assemble(_BAD, head) + change_content(theirs, mine))
    return Content("\n").join(lines)


_TITLES = {
    "chat-template": "One question, by the chat template",
    "question": "One question, by the field prompt",
    "conversation": "A conversation, by the fields",
}


def preview_content(
    segments: Mapping[str, Sequence[tuple[str, str]]],
    tokens: TemplatePreview | None,
    problem: str = "",
) -> Content:
    """Return the text that the model reads, in colours, at once; counted and compared when the tokens of these very fields are known."""
    rows = tokens["conversations"] if tokens is not None else []
    counted: dict[str, PreviewConversation] = {row["id"]: row for row in rows}
    reference = counted.get("chat-template")
    lines: list[Content] = [legend_content()]
    if problem:
        lines.append(Content.styled(f"✗ {one_line(problem)}", "$text-error"))
    for key, title in _TITLES.items():
        row, drawn = counted.get(key), segments.get(key)
        if row is None and not drawn:
            continue
        count = f"  {len(row['tokens'])} tokens" if row else "  counting …"
        heading = part(f"\n{title}", "bold $text-accent")
        lines.append(Content.assemble(heading, part(count, "$text-success")))
        if drawn:
            lines.append(prompt_content(drawn).rstrip("\n"))
        elif row is not None:
            lines.append(tokens_content(row["tokens"]).rstrip("\n"))
        if key == "question" and row is not None and reference is not None:
            lines.append(_parting(row["tokens"], reference["tokens"]))
    return Content("\n").join(lines)


def question_tokens_content(tokens: TemplatePreview | None) -> Content:
    """The question by the chat template, one token a line; nothing until it is counted."""
    rows = tokens["conversations"] if tokens is not None else []
    for row in rows:
        if row["id"] == "chat-template":
            title = Content.styled("The question, token by token", "bold $text-accent")
            return Content("\n").join([title, token_rows_content(row["tokens"])])
    return Content("")


def _parting(mine: Sequence[PreviewToken], theirs: Sequence[PreviewToken]) -> Content:
    where = first_difference([t["id"] for t in mine], [t["id"] for t in theirs])
    if where is None:
        return Content.assemble(_GOOD, part("the same tokens as the chat template's"))
    texts = [
        escaped(str(tokens[where]["text"])) if where < len(tokens) else "nothing"
        for tokens in (theirs, mine)
    ]
    return Content.assemble(
        _BAD,
        part(f"token {where + 1}: the chat template has "),
        part(texts[0], "bold $text-success on $success-muted"),
        part(", the field "),
        part(texts[1], "bold $text-error on $error-muted"),
    )
