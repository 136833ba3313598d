"""The verbs history and compare, and `bench --against`, as a user or a script calls them."""

import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.history.store import HistoryStore
from tests.support.program import run_firstlight as call
from tests.support.records import new_document, record_facts
from tests.support.schemas import checked
from tests.support.tiny_models import tiny_genai
from tests.tui.commands.test_run_verbs import document

STEADY = [100.0, 100.2, 99.8, 100.1, 99.9, 100.3, 99.7]


@pytest.fixture
def store() -> HistoryStore:
    """1 and 2 are the same, 3 is slower, 4 is void, 5 is a tuning."""
    history = HistoryStore()
    for factor in (1.0, 1.0, 0.9):
        history.add(new_document(record_facts(samples=[factor * s for s in STEADY])))
    history.add(new_document(record_facts(label="busy", samples=STEADY, void=True)))
    history.add(new_document(record_facts(label="tuned"), kind="tune"))
    return history


@pytest.mark.slow
def test_the_list_its_filters_and_one_record(store: HistoryStore) -> None:
    done = call("history", "--json")
    listed = document(done)
    assert done.returncode == 0 and listed["kind"] == "history"
    assert [record["id"] for record in listed["records"]] == [5, 4, 3, 2, 1]
    assert listed["database"] == str(store.path)
    filtered = document(call("history", "--kind", "bench", "--model", "int4", "--json"))
    assert [record["id"] for record in filtered["records"]] == [4, 3, 2, 1]
    assert document(call("history", "--since", "2999-01-01", "--json"))["records"] == []
    whole = document(call("history", "3", "--json"))
    assert whole["record"]["series"][0]["samples"] == [0.9 * s for s in STEADY]
    text = call("history").stdout
    assert "VOID" in text and "decode at 128 100.0 tokens/s" in text
    assert "A processor, 2 cores" in call("history", "3").stdout


def test_an_empty_history_is_no_error_and_makes_no_file(own_home: Path) -> None:
    done = call("history")
    assert done.returncode == 0 and done.stdout == "Nothing was measured yet, or nothing fits.\n"
    assert not HistoryStore().path.exists()


@pytest.mark.slow
def test_exports(store: HistoryStore, tmp_path: Path) -> None:
    printed = call("history", "--export", "csv")
    assert printed.returncode == 0 and printed.stdout.startswith("id,recorded_at,kind,")
    written = call("history", "--export", "md", "-o", tmp_path / "h.md", "--json")
    assert document(written)["records"] == 5
    assert (tmp_path / "h.md").read_text() == document(written)["text"]
    # A folder in the way, and a form that there is not.
    assert call("history", "--export", "md", "-o", tmp_path).returncode == 1
    assert call("history", "--export", "xls").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("history", "--kind", "chat"), 2, "no kind 'chat'"),
        (("history", "--since", "soon"), 2, "is no time"),
        (("history", "--limit", "-1"), 2, "must be 0 or more"),
        (("history", "-o", "x.csv"), 2, "belongs to --export"),
        (("history", "77"), 1, "has no record 77"),
        (("compare", "1", "77"), 1, "has no record 77"),
        (("compare", "1", "4"), 1, "is void and is not compared"),
        (("compare", "1", "5"), 1, "is a bench and record 5"),
        (("compare", "1", "nothing.json"), 1, "Cannot read"),
        (("bench", "x", "--against", "then"), 1, "There is no folder"),
    ],
)
def test_bad_input_is_one_sentence(
    store: HistoryStore, arguments: tuple[str, ...], code: int, word: str
) -> None:
    done = call(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert word in done.stderr and "Traceback" not in done.stderr
    failed = call(*arguments, "--json")
    assert failed.returncode == code
    assert word in checked(json.loads(failed.stdout))["error"]["message"]


@pytest.mark.slow
def test_compare_leaves_with_one_for_a_regression(store: HistoryStore) -> None:
    same = call("compare", "1", "2", "--json")
    assert same.returncode == 0 and document(same)["regressions"] == 0
    worse = call("compare", "1", "3", "--json")
    assert worse.returncode == 1
    verdict: dict[str, Any] = document(worse)
    assert verdict["ok"] is False and verdict["error"]["code"] == "regression"
    text = call("compare", "1", "3")
    assert text.returncode == 1 and "WORSE" in text.stdout
    assert "decode at 128 tokens -10.0 %" in text.stdout
    better = call("compare", "3", "1")
    assert better.returncode == 0 and "better" in better.stdout


def test_a_damaged_history_is_told(store: HistoryStore) -> None:
    store.path.write_bytes(b"rubbish" * 1000)
    done = call("history")
    assert done.returncode == 0 and "was damaged; it was set aside as" in done.stderr


@pytest.mark.real
def test_bench_against_the_last_one(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "tiny")
    common = ("bench", folder, "--lengths", "8", "--new-tokens", "4", "--repeats", "5", "--json")
    first = call(*common, "--against", "last")
    measured = document(first)
    assert (
        measured["against"] == [] if not measured["void"] else measured["error"]["code"] == "void"
    )
    (record,) = HistoryStore().records()
    assert record["label"] == "tiny" and record["kind"] == "bench"
    other = call(*common[:-1], "--against", str(record["id"]), "--json")
    assert other.returncode in (0, 1)
    assert "against" in document(other) or "error" in document(other)
