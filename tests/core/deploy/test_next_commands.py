"""After a deployment only commands are listed that can work with what is installed and with the chosen cache."""

import importlib.util
from pathlib import Path

import pytest

from firstlight_core.artifact.model_caches import ModelCache, private_cache
from firstlight_core.deploy.next_commands import foundry_commands, usable
from firstlight_core.exports.ollama_commands import ollama_commands
from firstlight_core.foundry.cli import FoundryCli


def cli(version: str) -> FoundryCli:
    return FoundryCli(path="/bin/foundry", version=version)


def theirs(root: Path) -> ModelCache:
    return ModelCache(id="foundry", root=root, index=root)


@pytest.mark.parametrize(
    ("version", "cache", "lines"),
    [
        (None, "private", []),
        (None, "foundry", []),
        ("", "foundry", []),
        ("0.8.113", "private", ["cache cd", "cache ls", "model run", "service status"]),
        ("0.8.113", "foundry", ["cache ls", "model run", "service status"]),
        ("0.8.113", "moved", ["cache ls", "model run", "service status"]),
        ("0.10.2", "private", []),
        ("0.11.0", "foundry", []),
        ("0.12.0", "private", []),
        ("0.12.0", "foundry", ["cache list", "run m", "server start", "server status"]),
        ("1.0", "moved", ["cache list", "run m", "server start", "server status"]),
    ],
)
def test_what_cannot_work_is_not_listed(
    tmp_path: Path, version: str | None, cache: str, lines: list[str]
) -> None:
    folder = theirs(tmp_path) if cache == "foundry" else private_cache()
    now = private_cache().root if cache == "moved" else tmp_path
    commands = usable(cli(version) if version is not None else None, "m", folder, now)
    assert [" ".join(command.arguments[:2]) for command in commands] == lines


@pytest.mark.parametrize("installed", [True, False])
def test_serving_needs_the_sdk(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    spec = importlib.util.spec_from_loader("foundry_local_sdk", None) if installed else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    lines = [row["command"] for row in foundry_commands("m", private_cache(), None, None)]
    assert lines == (["firstlight serve m"] if installed else []) + ["firstlight chat m"]


def test_ollamas_commands_need_ollama() -> None:
    path = Path("/exports/a b/Modelfile")
    rows, notes = ollama_commands("m", path, find=lambda name: "/bin/ollama")
    assert [row["command"] for row in rows] == [
        "ollama create m -f '/exports/a b/Modelfile'",
        "ollama run m",
    ]
    assert notes == []
    rows, notes = ollama_commands("m", path, find=lambda name: None)
    assert rows == [] and "no ollama command here" in notes[0] and "ollama create m" in notes[0]
