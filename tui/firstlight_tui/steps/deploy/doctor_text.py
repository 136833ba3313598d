"""The doctor's answer in words and colours: who finds the models of a cache, and why not."""

from textual.content import Content

from firstlight_core.documents.foundry import ExaminationDocument, ScannedFolder
from firstlight_core.text import one_line, shown_path
from firstlight_tui.widgets.words import part


def examination_words(document: ExaminationDocument) -> Content:
    """Return the document of `visibility.examine` as one text to read."""
    cli = document["cli"]
    lines: list[Content | str] = [
        _pair("cache", shown_path(document["root"])),
        _pair("index", shown_path(document["index"])),
        _pair(
            "foundry",
            f"command {cli['version'] or 'of no known version'}" if cli else "no such command here",
        ),
    ]
    if (moved := document["moved"]) is not None:
        where = f"from {shown_path(moved['before'])} to {shown_path(moved['now'])}"
        words = f"Firstlight moved its cache {where}; F5 puts it back"
        lines.append(Content.assemble(part(f"{'':9}{words}", "$text-warning")))
    lines += ["", _heading("Who finds a model in this cache")]
    for row in document["seen_by"]:
        here = part("  on this machine", "bold") if row["here"] else part("")
        lines.append(
            Content.assemble(
                _sign(row["sees"]),
                part(str(row["reader"])),
                part(f": {row['why']}", "$foreground-muted"),
                here,
            )
        )
    lines += ["", _heading("Folders, as cores up to 2.0 (CLI up to 0.8) scan them")]
    folders = [line for row in document["folders"] for line in _folder(row)]
    lines += folders or [_none()]
    lines += ["", _heading("Registrations, as cores from 2.1 on read them")]
    for model in document["registered"]:
        gone = "" if model["there"] else "  its folder is gone: deploy it again, or undo it"
        lines.append(
            Content.assemble(
                _sign(model["there"]),
                part(one_line(str(model["id"]), 90), "bold"),
                part(f"  {shown_path(str(model['path']))}", "$foreground-muted"),
                part(gone, "$text-error"),
            )
        )
    if problem := document["registered_problem"]:
        lines.append(Content.assemble(part(str(problem), "$text-error")))
    elif not document["registered"]:
        lines.append(_none())
    return Content("\n").join(Content(line) if isinstance(line, str) else line for line in lines)


def _folder(row: ScannedFolder) -> list[Content]:
    head = Content.assemble(
        _sign(row["listed"]),
        part(str(row["id"] or "not listed"), "bold"),
        part(f"  {shown_path(str(row['folder']))}", "$foreground-muted"),
    )
    style = "$text-warning" if row["listed"] else "$text-error"
    return [head, *(Content.assemble(part(f"    {why}", style)) for why in row["reasons"])]


def _sign(good: bool) -> tuple[str, str]:
    return part("✓ ", "$text-success") if good else part("✗ ", "$text-error")


def _pair(label: str, words: str) -> Content:
    return Content.assemble(part(f"{label:9}", "$text-accent"), part(words))


def _heading(words: str) -> Content:
    return Content.assemble(part(words, "bold $text-accent"))


def _none() -> Content:
    return Content.assemble(part("none", "$foreground-muted"))
