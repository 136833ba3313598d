"""`firstlight history`: what was measured earlier, one record, or an export."""

import typer

from firstlight_core.documents.history import (
    ExportedHistory,
    HistoryDocument,
    RecordDocument,
    RecordKind,
    RecordRow,
)
from firstlight_core.errors import UsageError
from firstlight_core.files import write_whole
from firstlight_core.history.export import FORMATS, export, figure_name, value_text
from firstlight_core.history.since import read_since
from firstlight_core.history.store import MOST_ROWS, HistoryStore, Query
from firstlight_core.paths import absolute
from firstlight_core.text import one_line, shown_path
from firstlight_tui.commands.output import note, run_verb, say
from firstlight_tui.commands.painting import Painted

KINDS: tuple[RecordKind, ...] = ("bench", "tune", "quality", "conversion")
LIMIT = 50


def history(
    number: int | None = typer.Argument(None, help="Show one record with every sample."),
    model: str | None = typer.Option(
        None, "--model", help="Part of a name, folder or precision, or the start of a fingerprint."
    ),
    kind: str | None = typer.Option(None, "--kind", help=f"One of: {', '.join(KINDS)}."),
    since: str | None = typer.Option(None, "--since", help="A date, or how long ago: 7d, 36h, 2w."),
    limit: int = typer.Option(LIMIT, "--limit", help="At most so many records; 0 for all."),
    form: str | None = typer.Option(
        None, "--export", help=f"Every sample as text, one of: {', '.join(FORMATS)}."
    ),
    output: str | None = typer.Option(None, "--output", "-o", help="The file to export to."),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """List what was measured earlier, the newest first."""

    store = HistoryStore()

    def query() -> Query:
        if limit < 0:
            raise UsageError("The limit must be 0 or more.")
        picked = next((known for known in KINDS if known == kind), None)
        if kind is not None and picked is None:
            raise UsageError(
                f"There is no kind {one_line(kind, 40)!r}.",
                hint=f"Choose one of {', '.join(KINDS)}.",
            )
        when = read_since(since) if since is not None else None
        # An export is for other programs, which want everything unless told otherwise.
        every = limit == 0 or (form is not None and limit == LIMIT)
        most = MOST_ROWS if every else limit
        return Query(kind=picked, model=model, since=when, limit=most)

    def listed() -> HistoryDocument:
        if output is not None:
            raise UsageError("--output belongs to --export.", hint="Add --export csv.")
        records = store.records(query())
        return {
            "kind": "history",
            "database": str(store.path),
            "records": records,
            "notes": store.notes,
        }

    def exported() -> ExportedHistory:
        assert form is not None
        records = store.records(query())
        text = export(records, form)
        file = absolute(output) if output is not None else None
        if file is not None:
            write_whole(file, text)
        return {
            "kind": "export",
            "format": form,
            "records": len(records),
            "text": text,
            "output": str(file) if file is not None else None,
            "notes": store.notes,
        }

    def whole() -> RecordDocument:
        assert number is not None
        return {"kind": "record", "record": store.record(number), "notes": store.notes}

    if number is not None:
        run_verb("history", whole, _show_record, as_json=json)
    elif form is not None:
        run_verb("history", exported, _show_export, as_json=json)
    else:
        run_verb("history", listed, _show, as_json=json)


def _show(document: HistoryDocument) -> None:
    for sentence in document["notes"]:
        note(Painted(sentence, "caution"))
    for record in document["records"]:
        say(_head(record), Painted(_figures(record), "bad" if record["void"] else "plain"))
    if not document["records"]:
        say("Nothing was measured yet, or nothing fits.")


def _head(record: RecordRow) -> str:
    when = record["recorded_at"][:16].replace("T", " ")
    label = one_line(record["label"], 28)
    return f"{record['id']:>5}  {when}  {record['kind']:10}  {label:28}  "


def _figures(record: RecordRow) -> str:
    """Return the end of a line: void, or the figures that a reader looks for first."""
    if record["void"]:
        return "VOID"
    first = {series["measure"]: series for series in reversed(record["series"])}
    wanted = ("decode_tps", "prefill_tps", "kl", "top1_agreement", "seconds", "bytes")
    figures = [first[measure] for measure in wanted if measure in first]
    return ", ".join(f"{figure_name(series)} {value_text(series)}" for series in figures[:2])


def _show_record(document: RecordDocument) -> None:
    for sentence in document["notes"]:
        note(Painted(sentence, "caution"))
    record = document["record"]
    for reason in record["void_reasons"] if record["void"] else ():
        say(Painted(reason, "bad"))
    say(
        Painted(f"{record['kind']} {record['id']}", "heading"), f": {one_line(record['label'], 80)}"
    )
    machine = record["machine"]
    for name, text in (
        ("when", f"{record['recorded_at']} (UTC)"),
        ("target", shown_path(record["target"])),
        ("precision", record["precision"] or "-"),
        ("machine", f"{machine.get('cpu', '-')}, {machine.get('cores', '-')} cores"),
        ("artifact", record["artifact_fingerprint"] or "-"),
        ("source", record["source_fingerprint"] or "-"),
        ("settings", ", ".join(f"{k} {v}" for k, v in record["settings"].items()) or "-"),
        ("versions", ", ".join(f"{k} {v}" for k, v in record["versions"].items()) or "-"),
    ):
        say(f"  {name:10} {one_line(text, 400)}")
    for series in record["series"]:
        samples = " ".join(f"{sample:.4g}" for sample in series["samples"])
        say(f"  {figure_name(series):20} {value_text(series):>18}  ", Painted(samples, "quiet"))


def _show_export(document: ExportedHistory) -> None:
    for sentence in document["notes"]:
        note(Painted(sentence, "caution"))
    if document["output"] is not None:
        say(f"{document['records']} records written to {shown_path(document['output'])}")
    else:
        for line in document["text"].splitlines():
            say(line)
