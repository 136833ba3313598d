"""`firstlight glossary`."""

import json

import pytest

from firstlight_tui.commands import run_cli


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        raise SystemExit(run_cli(["glossary", *arguments]))
    return int(left.value.code or 0)


def test_a_term_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("kv", "cache") == 0
    text = capsys.readouterr().out
    assert text.startswith("KV cache (KV)\n") and "See: context, prefill" in text


def test_the_json_document_has_every_term(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "firstlight/glossary/1" and len(document["terms"]) > 50


def test_an_unknown_term_fails_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("TTTF") == 1
    assert "TTFT" in capsys.readouterr().err
