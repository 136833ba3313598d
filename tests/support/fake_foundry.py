"""The `foundry` command of 0.8, 0.10 and 0.12, played by a small program that keeps its cache's place in a file."""

import os
import sys
from pathlib import Path

PROGRAM = """#!{python}
import os, sys, time
place = {place!r}
said = sys.argv[1:]
old = {old}
if said == ["--version"]:
    print({banner!r})
elif said == ["cache", "location"]:
    print("\\U0001f4be Cache directory path: " + open(place).read())
elif said[:2] == ["cache", "cd"] and old and len(said) == 3:
    if {stubborn}:
        print("Exception: the service is not running \\x1b]52;c;AAAA\\x07")
        sys.exit(3)
    open(place, "w").write(said[2])
    print("\\x1b[32mCache moved\\x1b[0m")
elif said == (["cache", "ls"] if old else ["cache", "list"]):
    print("Models cached on device:")
    for folder, _, names in sorted(os.walk(open(place).read())):
        if "inference_model.json" in names:
            print("  " + os.path.basename(folder))
elif said == (["service", "status"] if old else ["server", "status"]):
    print("not running")
elif said == ["server", "start"] and not old:
    print("started", flush=True)
    # A service that holds on to its parent's output.
    if os.fork() == 0:
        time.sleep(30)
elif said == ["cache", "hang"]:
    print("waiting", flush=True)
    time.sleep(600)
else:
    print("Unrecognized command or argument " + repr(" ".join(said)))
    sys.exit(1)
"""
BANNERS = {"0.8": "0.8.119+abc", "0.10": "foundry 0.10.0", "0.12": "Foundry Local CLI v0.12.3"}


def fake_foundry(folder: Path, version: str, *, cache: Path, stubborn: bool = False) -> Path:
    """Put a `foundry` of this version into `folder`; its cache is at `cache` until it is moved."""
    folder.mkdir(parents=True, exist_ok=True)
    cache_file = folder / "cache-place"
    cache_file.write_text(str(cache))
    program = folder / "foundry"
    program.write_text(
        PROGRAM.format(
            python=sys.executable,
            place=str(cache_file),
            old=version == "0.8",
            banner=BANNERS[version],
            stubborn=stubborn,
        )
    )
    program.chmod(0o755)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The environment in which only this `foundry` is found."""
    return {**os.environ, "PATH": str(folder)}
