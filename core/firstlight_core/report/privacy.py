"""A report without what was said: figures, verdicts and hashes stay, questions and answers go."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
LEFT_OUT = "(left out)"
_SAID = ("question", "answer", "artifact_answer")


def without_texts(document: Mapping[str, Any]) -> Document:
    """A copy of a report's document in which nothing stands that a person or a model said."""
    found: Document = {**document, "texts": False}
    if chat := document.get("chat"):
        found["chat"] = [_chat_pair(pair) for pair in chat]
    if quality := document.get("quality"):
        found["quality"] = [_quality(one) for one in quality]
    if deployment := document.get("deployment"):
        found["deployment"] = {
            key: LEFT_OUT if key in _SAID else value for key, value in deployment.items()
        }
    if conversions := document.get("conversions"):
        found["conversions"] = [
            {key: value for key, value in made.items() if key != "smoke"} for made in conversions
        ]
    return found


def _chat_pair(pair: Mapping[str, Any]) -> Document:
    kept = {"measured": pair["measured"]} if "measured" in pair else {}
    return {"question": LEFT_OUT, "answer": LEFT_OUT, **kept}


def _quality(document: Mapping[str, Any]) -> Document:
    """What is kept is named: a text that a later version adds must not slip through."""
    kept = ("ok", "target", "precision", "verdict")
    found: Document = {key: document[key] for key in kept if key in document}
    found["checks"] = [
        {
            **{key: check[key] for key in ("id", "title", "status") if key in check},
            "evidence": _evidence(check.get("evidence")),
        }
        for check in document.get("checks") or ()
    ]
    if isinstance(drift := document.get("drift"), Mapping):
        found["drift"] = {**_figures(drift), "worst": []}
    return found


def _evidence(evidence: Any) -> Document:
    if not isinstance(evidence, Mapping):
        return {}
    summary = {"summary": str(evidence["summary"])} if evidence.get("summary") else {}
    return summary | _figures(evidence)


def _figures(values: Mapping[str, Any]) -> Document:
    """The numbers of a document, and those of the documents in it."""
    found: Document = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found[key] = _figures(value)
        elif isinstance(value, int | float):
            found[key] = value
    return found
