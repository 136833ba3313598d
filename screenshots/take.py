"""Walks the real wizard over the sample model and writes a picture of every step, and of every theme.

`make shots` runs it: everything in the pictures was converted, deployed and measured on the machine that took them.
Needs rsvg-convert (Debian: librsvg2-bin) for the PNG files.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Button

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
SIZE = (120, 36)
THEMES = ("firstlight", "ember", "paper", "dawn", "contrast")
STEP_SECONDS = 180


def write_png(svg: str, name: str) -> None:
    """The picture as PNG, in a font of this machine instead of one from the network."""
    local = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S).replace(
        "Fira Code", "DejaVu Sans Mono"
    )
    # librsvg knows no textLength: widen this font's cells to the picture's, and keep leading spaces.
    local = local.replace("<text ", '<text xml:space="preserve" letter-spacing="0.16" ')
    local = local.replace("&#160;", " ")
    # No folder of the machine that took the picture.
    for folder, replacement in (
        (os.environ.get("FIRSTLIGHT_HOME", ""), "~"),
        (str(HERE.parent), "~"),
    ):
        local = local.replace(folder, replacement) if folder else local
    with tempfile.NamedTemporaryFile("w", suffix=".svg", encoding="utf-8") as file:
        file.write(local)
        file.flush()
        target = HERE / f"{name}.png"
        subprocess.run(["rsvg-convert", "--zoom", "0.85", file.name, "-o", target], check=True)
    print(f"{name}.png  {target.stat().st_size // 1024} KiB")


async def quiet(pilot: Pilot[Any]) -> None:
    """Until no work runs and no answer is being made."""
    app: Any = pilot.app
    for _ in range(STEP_SECONDS * 10):
        await pilot.pause(0.1)
        if not app.workspace.busy and not app.workspace.chat.first.busy:
            break
    else:
        raise TimeoutError(f"{app.screen} did not come to rest")
    await pilot.pause(1.2)


async def photograph(pilot: Pilot[Any], name: str) -> None:
    """Write the screen as it is."""
    write_png(pilot.app.export_screenshot(title="firstlight"), name)


async def walk() -> None:
    """The demo, Enter by Enter, with a picture of every step."""
    from firstlight_core.paths import find_paths
    from firstlight_core.session import Session
    from firstlight_tui.app import WizardApp
    from firstlight_tui.steps import list_screens

    steps = list_screens()
    app = WizardApp(session=Session(source=str(find_paths().sample)))
    async with app.run_test(size=SIZE) as pilot:
        for step in steps:
            await quiet(pilot)
            assert type(app.screen) is step, f"expected {step.STEP_TITLE}, at {app.screen}"
            if step.STEP_ID == "chat":
                await pilot.press("enter")
                await quiet(pilot)
            else:
                for _ in range(2):
                    label = str(app.screen.query_one("#primary", Button).label)
                    if not label or label.startswith(("Next", "Finish")):
                        break
                    app.screen.query_one("#primary", Button).press()
                    await quiet(pilot)
            await photograph(pilot, step.STEP_ID)
            app.screen.action_next() if step is not steps[-1] else None


async def themes() -> None:
    """The precision table, half measured, in every theme."""
    from precision_scene import precision_scene

    for theme in THEMES:
        app = precision_scene()
        async with app.run_test(size=SIZE) as pilot:
            app.theme = theme
            await pilot.pause(0.5)
            await photograph(pilot, "precision" if theme == THEMES[0] else f"theme-{theme}")


def main() -> int:
    """All pictures."""
    if shutil.which("rsvg-convert") is None:
        sys.stderr.write("rsvg-convert is missing; on Debian: apt-get install librsvg2-bin\n")
        return 3
    with tempfile.TemporaryDirectory() as home:
        os.environ["FIRSTLIGHT_HOME"] = home
        asyncio.run(walk())
    asyncio.run(themes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
