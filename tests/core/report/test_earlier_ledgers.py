"""Ledgers that were written before documents named their kind lose nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.ledger import LEDGER, Run
from firstlight_core.report.facts import collect_facts
from firstlight_core.session import Session
from tests.support import documents
from tests.support.measured_documents import qualities_document


def without_kinds(value: Any) -> Any:
    """The document as an earlier version wrote it."""
    if isinstance(value, dict):
        # The kind of a proof is older: the row of limits that it was judged by.
        return {
            key: item if key == "proof" else without_kinds(item)
            for key, item in value.items()
            if key != "kind"
        }
    return [without_kinds(item) for item in value] if isinstance(value, list) else value


def written(tmp_path: Path, *entries: tuple[str, Any]) -> Run:
    run = Run(tmp_path)
    lines = (
        {"at": 1.0, "step": step, "status": "done", "seconds": 1.0, "values": without_kinds(values)}
        for step, values in entries
    )
    (tmp_path / LEDGER).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


DEPLOYED = [
    documents.published("mine"),
    documents.answered("mine"),
    documents.exported("mine", "vllm"),
]
CHATS: list[Any] = [
    documents.questions("/out", {"prompt": "Why?", "text": "So."}),
    {
        "kind": "conversation",
        "turns": [{"role": "user", "text": "Why?"}, {"role": "assistant", "text": "So."}],
        "stats": [{}],
        "ratings": [4],
        "prompt": "Why?",
    },
]
BENCHES = [
    documents.bench(documents.bench_result("/out")),
    documents.bench(documents.bench_result("http://127.0.0.1:1/v1#m", kind="server")),
]
QUALITIES = [documents.quality("/out"), qualities_document(documents.quality("/out"))]


@pytest.mark.parametrize("deployed", DEPLOYED, ids=lambda each: each["kind"])
@pytest.mark.parametrize("number", range(2))
def test_every_entry_is_read_with_what_it_holds(tmp_path: Path, deployed: Any, number: int) -> None:
    made = documents.converted("int4", "/out")
    run = written(
        tmp_path,
        ("convert", made),
        ("template", documents.settled()),
        ("deploy", deployed),
        ("chat", CHATS[number]),
        ("benchmark", BENCHES[number]),
        ("quality", QUALITIES[number]),
    )
    facts = collect_facts(run)
    assert facts.conversions == (made,)
    assert facts.template is not None and facts.deployment == deployed
    assert facts.chat == CHATS[number] and facts.benchmark == BENCHES[number]
    assert facts.qualities == (documents.quality("/out"),)


@pytest.mark.parametrize("within_summary", [False, True])
def test_the_session_of_the_wizard_is_whole(tmp_path: Path, within_summary: bool) -> None:
    session = Session(
        source="/source",
        artifacts=(documents.converted("int4", "/out"),),
        artifact="/out",
        template=documents.settled(),
        deployment=DEPLOYED[1],
        chat={key: value for key, value in CHATS[1].items() if key != "prompt"},
        benchmark=BENCHES[0],
        quality=QUALITIES[1],
    )
    values = session.to_json()
    step, held = ("summary", {"session": values}) if within_summary else ("session", values)
    entry = next(written(tmp_path, (step, held)).entries())
    read: Any = entry.values["session"] if within_summary else entry.values
    assert Session.from_json(read) == session
