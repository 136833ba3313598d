"""The contract of the verbs: the same mistake has the same exit code, keys never disappear, every no has a hint."""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.verb import ALWAYS
from firstlight_core.errors import CheckFailed
from firstlight_tui.commands.output import run_verb
from tests.support.program import run_firstlight as call
from tests.tui.commands.test_run_verbs import document


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "gone"),
        ("convert", "gone", "-o", "out"),
        ("template", "gone"),
        ("deploy", "gone", "--name", "x"),
        ("deploy", "--name", "gone", "--undo"),
        ("deploy", "--name", "gone", "--target", "vllm", "--undo"),
        ("serve", "gone"),
        ("chat", "gone", "--prompt", "Hi"),
        ("bench", "gone"),
        ("tune", "gone"),
        ("quality", "gone"),
        ("verify", "gone"),
        ("report", "gone"),
        ("run", "gone", "--yes"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_refused_alike(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = call(*words, "--json", cwd=tmp_path)
    document_read = document(done)
    assert done.returncode == 1, document_read
    assert (
        document_read["ok"] is False
        and document_read["error"]["hint"]
        and document_read["error"]["message"]
    )
    assert "gone" in document_read["error"]["message"]
    assert not list(tmp_path.glob("out*"))


def spoken(
    verb: str, answer: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as left:
        run_verb(verb, lambda: answer, lambda document: None, as_json=True)
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return int(left.value.code or 0), parsed


@pytest.mark.parametrize("verb", ALWAYS)
def test_a_key_of_the_contract_is_always_there(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = spoken(verb, {"more": 1}, capsys)
    assert code == 0 and document["more"] == 1
    assert {key: document[key] for key in ALWAYS[verb]} == ALWAYS[verb]


def test_each_of_several_targets_keeps_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    _, document = spoken(
        "quality", {"kind": "qualities", "artifacts": [{"checks": [1]}, {"drift": {}}]}, capsys
    )
    assert document["artifacts"] == [{"checks": [1], "drift": None}, {"checks": [], "drift": {}}]


@pytest.mark.parametrize("verb", ["template", "quality", "verify", "run", "deploy", "tune"])
def test_a_no_has_a_way_on(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = spoken(verb, {"ok": False}, capsys)
    assert code == 1 and document["error"]["code"] == "check-failed" and document["error"]["hint"]


def test_the_original_may_be_called_sample(
    monkeypatch: pytest.MonkeyPatch, sample: Path, tmp_path: Path
) -> None:
    from firstlight_tui.__main__ import main
    from firstlight_tui.commands import deploy_, template_

    requests: list[Path] = []

    def taking(name: str) -> Callable[..., Any]:
        async def stop(*arguments: Any, **options: Any) -> None:
            requests.append(options.get("source") or arguments[1])
            raise CheckFailed("Seen.")

        return stop

    monkeypatch.setattr(deploy_, "deploy_artifact", taking("deploy"))
    monkeypatch.setattr(template_, "check_template", taking("template"))
    for words in (
        ["deploy", str(tmp_path), "--name", "x", "--target", "ollama", "--source", "sample"],
        ["template", str(tmp_path), "--source", "sample"],
    ):
        monkeypatch.setattr(sys, "argv", ["firstlight", *words])
        with suppress(SystemExit):
            assert main() == 1
    assert requests == [sample, sample]
