"""A report without texts: figures, verdicts and hashes stay, questions and answers go."""

from typing import Any

from firstlight_core.documents.deploy import Deployed
from firstlight_core.documents.measure import CheckRow, DriftDocument, Evidence, QualityDocument
from firstlight_core.documents.report import ChatPair, ReportDocument, ReportedConversion

LEFT_OUT = "(left out)"


def without_texts(document: ReportDocument) -> ReportDocument:
    """Return a copy of a report's document without any text of a person or a model."""
    redacted: ReportDocument = {**document, "texts": False}
    redacted.pop("samples", None)
    redacted.pop("transcripts", None)
    if chat := document.get("chat"):
        redacted["chat"] = [_chat_pair(pair) for pair in chat]
    if quality := document.get("quality"):
        redacted["quality"] = [_quality(entry) for entry in quality]
    if (deployment := document.get("deployment")) is not None:
        redacted["deployment"] = _deployment(deployment)
    if conversions := document.get("conversions"):
        redacted["conversions"] = [_conversion(made) for made in conversions]
    return redacted


def _chat_pair(pair: ChatPair) -> ChatPair:
    redacted: ChatPair = {"question": LEFT_OUT, "answer": LEFT_OUT}
    if "measured" in pair:
        redacted["measured"] = pair["measured"]
    return redacted


def _deployment(deployment: Deployed) -> Deployed:
    if deployment["kind"] != "answered":
        return deployment
    return {
        **deployment,
        "question": LEFT_OUT,
        "answer": LEFT_OUT,
        "artifact_answer": LEFT_OUT,
    }


def _conversion(made: ReportedConversion) -> ReportedConversion:
    redacted = made.copy()
    redacted.pop("smoke", None)
    return redacted


def _quality(document: QualityDocument) -> QualityDocument:
    """Keep only keys that are named: a text that a later version adds must not slip through."""
    redacted: QualityDocument = {
        "kind": "quality",
        "ok": document["ok"],
        "target": document["target"],
        "prompts": LEFT_OUT,
        "checks": [_check(check) for check in document["checks"]],
        "answers": [],
        "verdict": document["verdict"],
    }
    if "drift" in document:
        drift: DriftDocument = _figures(document["drift"])
        drift["worst"] = []
        redacted["drift"] = drift
    return redacted


def _check(check: CheckRow) -> CheckRow:
    evidence: Evidence = _figures(check["evidence"])
    evidence["summary"] = check["evidence"]["summary"]
    return {
        "id": check["id"],
        "title": check["title"],
        "status": check["status"],
        "evidence": evidence,
    }


def _figures(document: object) -> Any:
    """Return the numbers of a document, and those of the documents in it."""
    if not isinstance(document, dict):
        return {}
    return {
        key: _figures(value) if isinstance(value, dict) else value
        for key, value in document.items()
        if isinstance(value, dict | int | float)
    }
