"""The `foundry` command of every version, played by small programs."""

import os
import sys
import time
from pathlib import Path

import pytest

from firstlight_core.deploy.foundry_cli import cli_commands, find_foundry_cli


def fake(folder: Path, body: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    program = folder / "foundry"
    program.write_text(f"#!{sys.executable}\n{body}\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": str(folder)}


@pytest.mark.parametrize(
    ("said", "version", "release"),
    [
        ("0.8.119+abc", "0.8.119", (0, 8)),
        ("foundry 0.10.0", "0.10.0", (0, 10)),
        ("Foundry Local CLI v0.12.3", "0.12.3", (0, 12)),
        ("nonsense \x1b]52;c;x\x07", "", (0, 0)),
        ("", "", (0, 0)),
    ],
)
async def test_versions(tmp_path: Path, said: str, version: str, release: tuple[int, int]) -> None:
    cli = await find_foundry_cli(fake(tmp_path / "bin", f"print({said!r})"))
    assert cli is not None
    assert (cli.version, cli.release) == (version, release)


@pytest.mark.usefixtures("clean_children")
async def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    environ = fake(tmp_path / "bin", "import time\ntime.sleep(600)")
    began = time.monotonic()
    cli = await find_foundry_cli(environ, seconds=0.3)
    assert cli is not None and cli.version == ""
    assert time.monotonic() - began < 5


async def test_none_is_none(tmp_path: Path) -> None:
    assert await find_foundry_cli({"PATH": str(tmp_path)}) is None


async def test_commands_fit_the_version(tmp_path: Path) -> None:
    old = await find_foundry_cli(fake(tmp_path / "old", "print('0.8.119')"))
    new = await find_foundry_cli(fake(tmp_path / "new", "print('0.12.0')"))
    of_old = [row["command"] for row in cli_commands(old, "phi", "/models")]
    of_new = [row["command"] for row in cli_commands(new, "phi", "/models")]
    assert of_old == ["foundry cache cd /models", "foundry cache ls", "foundry model run phi"]
    assert of_new == ["foundry cache list", "foundry run phi", "foundry server start"]
    assert [row["command"] for row in cli_commands(None, "phi", "/models")] == [*of_old, *of_new]
