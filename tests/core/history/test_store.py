"""The store: what is kept comes back; two writers; damage; later versions; a disk that refuses."""

import multiprocessing
import sqlite3
import threading
from pathlib import Path

import pytest

from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.history.migrations import MIGRATIONS
from firstlight_core.history.rows import NewDocument
from firstlight_core.history.store import HistoryStore, Query
from tests.support.records import new_document, record_facts


@pytest.fixture
def store(tmp_path: Path) -> HistoryStore:
    return HistoryStore(tmp_path / "state" / "history.sqlite3")


def test_what_is_kept_comes_back_whole(store: HistoryStore) -> None:
    facts = record_facts(label="one", samples=[1.5, 2.5, 0.1 + 0.2], void=True)
    facts["void_reasons"] = ["Void: the machine slept for 60 s."]
    new = new_document(facts, record_facts(label="two", precision="int8"))
    first, second = store.add(new)
    whole = store.record(first)
    assert whole["document"] == new.document and whole["machine"] == new.machine
    assert {key: whole[key] for key in facts} == facts  # type: ignore[literal-required]
    assert whole["recorded_at"] == new.recorded_at and whole["versions"] == new.versions
    assert [row["id"] for row in store.records()] == [second, first]
    assert store.notes == []


def test_reading_creates_no_file(store: HistoryStore) -> None:
    assert store.records() == []
    with pytest.raises(InputRefused, match="no record 3"):
        store.record(3)
    assert not store.path.exists() and not store.path.parent.exists()


@pytest.mark.parametrize("number", [0, -1, 2**70])
def test_a_number_that_is_none_is_refused(store: HistoryStore, number: int) -> None:
    store.add(new_document(record_facts()))
    with pytest.raises(InputRefused, match="has no record"):
        store.record(number)


def test_filters(store: HistoryStore) -> None:
    old = new_document(
        record_facts(label="gemma", artifact="aa11", source="ss"), at="2026-01-01T00:00:00+00:00"
    )
    new = new_document(
        record_facts(label="100%_sure", artifact="bb22", void=True),
        kind="tune",
        at="2026-02-01T00:00:00+00:00",
        machine="other",
    )
    store.add(old)
    store.add(new)

    def labels(query: Query) -> list[str]:
        return [row["label"] for row in store.records(query)]

    assert labels(Query()) == ["100%_sure", "gemma"]
    assert labels(Query(kind="bench")) == ["gemma"]
    assert labels(Query(model="GEM")) == ["gemma"]
    assert labels(Query(model="%_s")) == ["100%_sure"]
    assert labels(Query(model="%")) == ["100%_sure"]
    assert labels(Query(model="bb2")) == ["100%_sure"]
    assert labels(Query(since="2026-01-15")) == ["100%_sure"]
    assert labels(Query(valid=True)) == ["gemma"]
    assert labels(Query(artifact_fingerprint="aa11")) == ["gemma"]
    assert labels(Query(source_fingerprint="ss")) == ["gemma"]
    assert labels(Query(machine_fingerprint="other")) == ["100%_sure"]
    assert labels(Query(limit=1)) == ["100%_sure"]


def _write_many(path: Path, count: int) -> None:
    store = HistoryStore(path, busy_seconds=120)
    for _ in range(count):
        store.add(new_document(record_facts(), record_facts()))


@pytest.mark.slow
def test_two_processes_write_at_once_and_nothing_is_lost(store: HistoryStore) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(store.path, 20)) for _ in range(2)]
    for writer in writers:
        writer.start()
    threads = [threading.Thread(target=_write_many, args=(store.path, 10)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for worker in (*writers, *threads):
        worker.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    rows = store.records()
    assert len(rows) == 120 and len({row["id"] for row in rows}) == 120
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize("damage", ["text", "head", "page", "empty-table"])
def test_a_damaged_file_is_set_aside_with_one_sentence(store: HistoryStore, damage: str) -> None:
    for _ in range(30):
        store.add(new_document(record_facts()))
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    raw = bytearray(store.path.read_bytes())
    if damage == "text":
        raw[:] = b"not a database at all\n" * 500
    elif damage == "head":
        raw[:40] = bytes(40)
    elif damage == "page":
        raw[4096:] = b"\xaa" * (len(raw) - 4096)
    else:
        raw[100:4096] = b"\xff" * 3996
    store.path.write_bytes(raw)
    ids = store.add(new_document(record_facts(label="after")))
    assert [row["label"] for row in store.records()] == ["after"] and len(ids) == 1
    (note,) = store.notes
    assert note.startswith("The history was damaged; it was set aside as ")
    (aside,) = store.path.parent.glob("history.damaged-*.sqlite3")
    assert aside.read_bytes() == bytes(raw)
    assert not store.path.with_name("history.lock").exists()


def test_two_that_meet_the_same_damage_set_it_aside_once(store: HistoryStore) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(b"rubbish" * 1000)
    stores = [HistoryStore(store.path) for _ in range(6)]
    barrier = threading.Barrier(len(stores))

    def write(writer: HistoryStore) -> None:
        barrier.wait()
        writer.add(new_document(record_facts()))

    threads = [threading.Thread(target=write, args=(entry,)) for entry in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.records()) == len(stores)
    assert len(list(store.path.parent.glob("history.damaged-*.sqlite3"))) == 1
    assert sum(len(entry.notes) for entry in stores) == 1


def test_what_is_begun_while_a_damaged_file_goes_keeps_its_side_files(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(b"rubbish" * 1000)
    rename = Path.rename
    begun: list[sqlite3.Connection] = []

    def rename_and_begin(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        if path == store.path:
            # Another program finds no file and begins one.
            begun.append(HistoryStore(store.path)._open())
        return moved

    monkeypatch.setattr(Path, "rename", rename_and_begin)
    store.add(new_document(record_facts()))
    assert len(begun) == 1
    begun[0].execute("PRAGMA user_version").fetchone()
    begun[0].close()
    assert [path.name for path in store.path.parent.glob("history.damaged-*-*")] == []
    assert len(store.records()) == 1


def test_a_later_schema_is_left_alone(store: HistoryStore) -> None:
    store.add(new_document(record_facts()))
    with sqlite3.connect(store.path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StateProblem, match="later version"):
        store.records()
    assert store.path.exists() and store.notes == []


def test_a_file_of_an_earlier_schema_gets_what_it_lacks(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(new_document(record_facts(label="old")))
    more = (*MIGRATIONS, ("ALTER TABLE records ADD COLUMN extra TEXT DEFAULT 'x'",))
    monkeypatch.setattr("firstlight_core.history.store.MIGRATIONS", more)
    store.add(new_document(record_facts(label="new")))
    assert [row["label"] for row in store.records()] == ["new", "old"]
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(more),)
        assert connection.execute("SELECT DISTINCT extra FROM records").fetchall() == [("x",)]
    connection.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(new_document(record_facts(label="old")))
    broken = (*MIGRATIONS, ("CREATE TABLE extra (x)", "CREATE TABLE records (x)"))
    with monkeypatch.context() as patched:
        patched.setattr("firstlight_core.history.store.MIGRATIONS", broken)
        with pytest.raises(StateProblem, match="already exists"):
            store.add(new_document(record_facts()))
    assert [row["label"] for row in store.records()] == ["old"]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    store = HistoryStore(tmp_path / "state" / "history.sqlite3")
    with pytest.raises(StateProblem):
        store.add(new_document(record_facts()))


def test_a_writer_that_holds_the_file_too_long_is_a_sentence(store: HistoryStore) -> None:
    store.add(new_document(record_facts()))
    impatient = HistoryStore(store.path, busy_seconds=0.05)
    with sqlite3.connect(store.path, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateProblem, match="locked") as raised:
            impatient.add(new_document(record_facts()))
        assert len(impatient.records()) == 1
        holder.execute("ROLLBACK")
    holder.close()
    assert raised.value.hint == "Another program writes to it: try again."
    assert store.path.exists() and impatient.notes == []


def test_the_first_two_users_at_once_lose_nothing(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does not wait for another writer while a new file changes to the write-ahead log."""
    store.path.parent.mkdir()
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        holder.execute("COMMIT")

    monkeypatch.setattr("firstlight_core.history.store.time.sleep", wait)
    assert len(store.add(new_document(record_facts()))) == 1
    holder.close()
    assert len(waits) == 1 and len(store.records()) == 1


def test_nothing_half_is_kept(store: HistoryStore) -> None:
    facts = record_facts()
    facts["series"][0]["samples"] = [float("nan")]
    with pytest.raises(ValueError):
        store.add(new_document(facts))
    assert store.records() == []


def test_a_query_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Query().limit = 3  # type: ignore[misc]


def test_a_new_document_keeps_its_kind() -> None:
    assert isinstance(new_document(record_facts(), kind="quality"), NewDocument)
