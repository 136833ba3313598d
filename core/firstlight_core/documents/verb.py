"""What every verb of the command line adds to its document."""

from typing import TypedDict

from firstlight_core.errors import ErrorDocument


class Judged(TypedDict, total=False):
    """Keys with which a document says that everything ran and the answer is no."""

    ok: bool
    """False leaves with an exit code other than 0; true when it is absent."""
    error: ErrorDocument


class VerbDocument(TypedDict):
    """What every `--json` document has."""

    schema: str
    """`firstlight/VERB/1`."""
    ok: bool


class FailedVerb(VerbDocument):
    """The document of a verb that failed."""

    error: ErrorDocument
