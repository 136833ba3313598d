"""A report without texts: figures, verdicts and hashes stay, questions and answers go."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
LEFT_OUT = "(left out)"
_SAID = ("question", "answer", "artifact_answer")


def without_texts(document: Mapping[str, Any]) -> Document:
    """Return a copy of a report's document without any text of a person or a model."""
    redacted: Document = {**document, "texts": False}
    if chat := document.get("chat"):
        redacted["chat"] = [_chat_pair(pair) for pair in chat]
    if quality := document.get("quality"):
        redacted["quality"] = [_quality(entry) for entry in quality]
    if deployment := document.get("deployment"):
        redacted["deployment"] = {
            key: LEFT_OUT if key in _SAID else value for key, value in deployment.items()
        }
    if conversions := document.get("conversions"):
        redacted["conversions"] = [
            {key: value for key, value in made.items() if key != "smoke"} for made in conversions
        ]
    return redacted


def _chat_pair(pair: Mapping[str, Any]) -> Document:
    measured = {"measured": pair["measured"]} if "measured" in pair else {}
    return {"question": LEFT_OUT, "answer": LEFT_OUT, **measured}


def _quality(document: Mapping[str, Any]) -> Document:
    """What is kept is named: a text that a later version adds must not slip through."""
    keys = ("ok", "target", "precision", "verdict")
    redacted: Document = {key: document[key] for key in keys if key in document}
    redacted["checks"] = [
        {
            **{key: check[key] for key in ("id", "title", "status") if key in check},
            "evidence": _evidence(check.get("evidence")),
        }
        for check in document.get("checks") or ()
    ]
    if isinstance(drift := document.get("drift"), Mapping):
        redacted["drift"] = {**_figures(drift), "worst": []}
    return redacted


def _evidence(evidence: Any) -> Document:
    if not isinstance(evidence, Mapping):
        return {}
    summary = {"summary": str(evidence["summary"])} if evidence.get("summary") else {}
    return summary | _figures(evidence)


def _figures(values: Mapping[str, Any]) -> Document:
    """The numbers of a document, and those of the documents in it."""
    figures: Document = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            figures[key] = _figures(value)
        elif isinstance(value, int | float):
            figures[key] = value
    return figures
