"""The `foundry` command of every version, played by small programs."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from firstlight_core.errors import InputRefused, JobFailed, ToolchainMissing, UsageError
from firstlight_core.foundry.cli import cli_commands, find_foundry_cli, run_foundry
from firstlight_core.foundry.cli_cache import find_cache, move_cache, put_cache_back, read_change
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, LogLine
from tests.support.fake_foundry import environment, fake_foundry

VERSIONS = {"0.8": (0, 8), "0.10": (0, 10), "0.12": (0, 12)}


def fake(folder: Path, body: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    program = folder / "foundry"
    program.write_text(f"#!{sys.executable}\n{body}\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": str(folder)}


@pytest.mark.parametrize(
    ("message", "version", "release"),
    [
        ("0.8.119+abc", "0.8.119", (0, 8)),
        ("foundry 0.10.0", "0.10.0", (0, 10)),
        ("Foundry Local CLI v0.12.3", "0.12.3", (0, 12)),
        ("nonsense \x1b]52;c;x\x07", "", (0, 0)),
        ("", "", (0, 0)),
    ],
)
async def test_versions(
    tmp_path: Path, message: str, version: str, release: tuple[int, int]
) -> None:
    cli = await find_foundry_cli(fake(tmp_path / "bin", f"print({message!r})"))
    assert cli is not None
    assert (cli.version, cli.release) == (version, release)


@pytest.mark.usefixtures("clean_children")
async def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    environ = fake(tmp_path / "bin", "import time\ntime.sleep(600)")
    began = time.monotonic()
    cli = await find_foundry_cli(environ, seconds=0.3)
    assert cli is not None and cli.version == ""
    assert time.monotonic() - began < 60


async def test_none_is_none(tmp_path: Path) -> None:
    assert await find_foundry_cli({"PATH": str(tmp_path)}) is None
    assert await find_cache({"PATH": str(tmp_path)}) is None
    with pytest.raises(ToolchainMissing, match="no `foundry` command"):
        await run_foundry(("cache", "ls"), environ={"PATH": str(tmp_path)})


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_offered_command_is_one_that_this_version_knows(
    tmp_path: Path, version: str
) -> None:
    environ = environment(fake_foundry(tmp_path / "bin", version, cache=tmp_path / "cache"))
    cli = await find_foundry_cli(environ)
    assert cli is not None and cli.release == VERSIONS[version]
    offered = cli_commands(cli, "phi", tmp_path / "models")
    assert [c.line for c in offered if not c.ends] == (
        ["foundry model run phi"] if version == "0.8" else ["foundry run phi"]
    )
    assert any(c.moves_cache for c in offered) == (version == "0.8")
    for command in offered:
        if command.ends:
            done = await run_foundry(command.arguments, environ=environ)
            assert done["lines"] and done["command"] == command.line
    assert not any(c.moves_cache for c in cli_commands(cli, "phi", None))
    everything = {c.line for c in cli_commands(None, "phi", tmp_path / "models")}
    assert {c.line for c in offered} <= everything


async def test_what_it_prints_is_told_live_and_harmless(tmp_path: Path) -> None:
    environ = environment(
        fake_foundry(tmp_path / "bin", "0.8", cache=tmp_path / "a b", stubborn=True)
    )
    heard: list[Event] = []
    with pytest.raises(JobFailed, match="exit code 3; it said last: Exception") as caught:
        await run_foundry(("cache", "cd", "/x"), environ=environ, on_event=heard.append)
    lines = [event.text for event in heard if isinstance(event, LogLine)]
    assert lines and not any("\x1b" in text for text in (*lines, str(caught.value)))
    assert "Log:" in caught.value.detail


@pytest.mark.usefixtures("clean_children")
async def test_a_command_that_hangs_is_ended_and_so_is_a_cancelled_one(tmp_path: Path) -> None:
    environ = environment(fake_foundry(tmp_path / "bin", "0.8", cache=tmp_path))
    with pytest.raises(JobFailed, match=r"took longer than 1\.00 s"):
        await run_foundry(("cache", "hang"), environ=environ, seconds=1.0)
    waiting = asyncio.Event()

    def hear(event: Event) -> None:
        if isinstance(event, LogLine):
            waiting.set()

    task = asyncio.create_task(run_foundry(("cache", "hang"), environ=environ, on_event=hear))
    await asyncio.wait_for(waiting.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("message", "folder"),
    [
        (
            "\U0001f4be Cache directory path: /home/a b/.foundry/cache/models",
            "/home/a b/.foundry/cache/models",
        ),
        ("Cache directory path: C:\\Users\\a b\\cache", "C:\\Users\\a b\\cache"),
        ("looking ...\nplace: '/x/y'\n", "/x/y"),
        ('{"path": "/x/y"}', "/x/y"),
        ("none", None),
    ],
)
async def test_where_the_cache_is(tmp_path: Path, message: str, folder: str | None) -> None:
    location = await find_cache(fake(tmp_path / "bin", f"print({message!r})"))
    assert (str(location) if location is not None else None) == folder


async def test_the_cache_is_moved_and_put_back_also_after_a_second_move(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("of mine", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir()
    environ = environment(fake_foundry(tmp_path / "bin", "0.8", cache=first))
    assert await find_cache(environ) == first and read_change() is None
    done = await move_cache(second, environ=environ)
    assert (done["before"], done["now"]) == (str(first), str(second))
    await move_cache(third, environ=environ)
    change = read_change()
    assert change is not None and (change.before, change.now) == (str(first), str(third))
    await put_cache_back(environ=environ)
    assert await find_cache(environ) == first and read_change() is None
    with pytest.raises(UsageError, match="has not moved"):
        await put_cache_back(environ=environ)
    await move_cache(first, environ=environ)
    assert read_change() is None


async def test_a_cache_that_cannot_be_moved_leaves_no_note(tmp_path: Path) -> None:
    environ = environment(fake_foundry(tmp_path / "bin", "0.8", cache=tmp_path, stubborn=True))
    with pytest.raises(JobFailed, match="exit code 3"):
        await move_cache(tmp_path / "new", environ=environ)
    assert read_change() is None and not (find_paths().state / "foundry-cache.json").exists()
    mute = fake(tmp_path / "mute", "print('0.8.1')")
    with pytest.raises(InputRefused, match="could not be put back"):
        await move_cache(tmp_path / "new", environ=mute)
    deaf = fake(tmp_path / "deaf", "import sys\nprint('0.8.1' if len(sys.argv) < 3 else '/old')")
    with pytest.raises(JobFailed, match="where it was"):
        await move_cache(tmp_path / "new", environ=deaf)
    assert read_change() is None
