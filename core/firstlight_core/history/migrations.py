"""The schema of the history, as numbered migrations: `PRAGMA user_version` says how many a file has had."""

from collections.abc import Sequence

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        """
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            recorded_at TEXT NOT NULL,
            firstlight TEXT NOT NULL,
            machine_fingerprint TEXT NOT NULL,
            machine TEXT NOT NULL,
            versions TEXT NOT NULL,
            document TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE records (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
            label TEXT NOT NULL,
            target TEXT NOT NULL,
            folder TEXT,
            artifact_fingerprint TEXT,
            source_fingerprint TEXT,
            precision TEXT,
            settings TEXT NOT NULL,
            void INTEGER NOT NULL,
            void_reasons TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE series (
            record_id INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            measure TEXT NOT NULL,
            unit TEXT NOT NULL,
            better TEXT NOT NULL,
            prompt_tokens INTEGER,
            samples TEXT NOT NULL,
            PRIMARY KEY (record_id, position)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX documents_by_time ON documents (recorded_at)",
        "CREATE INDEX records_by_document ON records (document_id)",
        "CREATE INDEX records_by_artifact ON records (artifact_fingerprint)",
        "CREATE INDEX records_by_source ON records (source_fingerprint)",
    ),
)
"""Migration → its statements. A migration that was ever released never changes: add the next one."""
