"""Ledgers that were written before documents named their kind: the kind is filled in from what is there.

This is the one place where a kind is told by the keys of a document. What has a kind already stays as it is.
"""

from firstlight_core.files import JsonObject, JsonValue


def with_kinds(step: str, values: JsonObject) -> JsonObject:
    """Return the values of a ledger entry as this version writes them."""
    if step == "session":
        return _session(values)
    if step == "summary" and isinstance(session := values.get("session"), dict):
        return {**values, "session": _session(session)}
    return _document(step, values)


def _session(values: JsonObject) -> JsonObject:
    upgraded = dict(values)
    for name, step in _ANSWERS.items():
        value = values.get(name)
        if isinstance(value, dict):
            upgraded[name] = _document(step, value)
        elif isinstance(value, list):
            upgraded[name] = [_document(step, v) if isinstance(v, dict) else v for v in value]
    return upgraded


_ANSWERS = {
    "artifacts": "convert",
    "template": "template",
    "deployment": "deploy",
    "chat": "chat",
    "benchmark": "benchmark",
    "quality": "quality",
}
"""Answer of a session → the step whose document it is."""


def _document(step: str, values: JsonObject) -> JsonObject:
    if step == "benchmark":
        return {**values, "results": _results(values["results"])} if "results" in values else values
    if step == "quality" and isinstance(checked := values.get("artifacts"), list):
        values = {**values, "artifacts": [_kinded(each, "quality") for each in checked]}
    kind = _kind(step, values)
    return {"kind": kind, **values} if kind else values


def _kind(step: str, values: JsonObject) -> str:
    """Return the kind that this version gives to such a document; empty where it gives none."""
    match step:
        case "convert" if "artifact" in values:
            return "conversion"
        case "convert" if "error" in values:
            return "failure"
        case "template" if "written" in values:
            return "settled"
        case "deploy" if "files" in values:
            return "export"
        case "deploy" if "answer" in values:
            return "answered"
        case "deploy" if "path" in values:
            return "published"
        case "chat" if "ratings" in values:
            return "conversation"
        case "chat" if "turns" in values:
            return "questions"
        case "chat" if "text" in values:
            return "turn"
        case "quality" if "artifacts" in values:
            return "qualities"
        case "quality" if "checks" in values:
            return "quality"
    return ""


def _results(results: JsonValue) -> JsonValue:
    """Return the results of a benchmark; the target of a server is its address."""
    if not isinstance(results, list):
        return results
    return [
        _kinded(each, "server" if "://" in str(each.get("target")) else "artifact")
        if isinstance(each, dict)
        else each
        for each in results
    ]


def _kinded(value: JsonValue, kind: str) -> JsonValue:
    return {"kind": kind, **value} if isinstance(value, dict) else value
