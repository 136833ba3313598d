"""Walks the real wizard over a model and writes a picture of every step, of every theme, and the tour of the README.

`make shots` runs it on the sample, `make shots MODEL=FOLDER` on a model of yours: everything in the pictures was
converted, deployed and measured on the machine that took them. Needs rsvg-convert (Debian: librsvg2-bin) and pngquant
for the PNG files, and the font Noto Sans Mono (fonts-noto-mono).
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Button

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from cells import draw_cells  # noqa: E402

SIZE = (120, 36)
THEMES = ("firstlight", "ember", "paper", "dawn", "contrast")
STEP_SECONDS = 900
"""A drift check of a real model against its original takes minutes."""
ZOOM = "2"
FRAME_SECONDS = 3.0
JOINER = "\\1\u200c"


def without_folders(svg: str, model: Path) -> str:
    """Return a picture without the folders of the machine that took it, and without a font from the network."""
    local = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)
    for folder, replacement in (
        (os.environ.get("FIRSTLIGHT_HOME", ""), "~"),
        (str(HERE.parent), "~"),
        (str(model.parent), "~/models"),
    ):
        if folder:
            # What is shorter now must not be spread over the room of what it was.
            text = rf'textLength="[^"]*"([^>]*>[^<]*{re.escape(folder)})'
            local = re.sub(text, r"\1", local).replace(folder, replacement)
    # Fira Code makes one sign of `<|` and its like; a joiner of no width between them keeps both.
    sign = r"(&lt;|&gt;|&amp;|[|=!+*/:~-])"
    pair = re.compile(f"{sign}(?={sign})")
    return re.sub(r">([^<]+)</text>", lambda text: f">{pair.sub(JOINER, text[1])}</text>", local)


def write_png(svg: str, name: str) -> None:
    """Write a picture as PNG, in a font of this machine."""
    # librsvg drops leading spaces unless it is told to keep them, and knows no textLength: a cell has 12.2 units.
    local = (
        draw_cells(svg)
        .replace("<text ", '<text xml:space="preserve" letter-spacing="0.2" ')
        .replace("&#160;", " ")
    )
    # As wide as Fira Code, for which the picture is made, and without its ligatures: `<|` stays two signs.
    local = local.replace("Fira Code", "Noto Sans Mono").replace("\u200c", "")
    with tempfile.NamedTemporaryFile("w", suffix=".svg", encoding="utf-8") as file:
        file.write(local)
        file.flush()
        target = HERE / f"{name}.png"
        subprocess.run(["rsvg-convert", "--zoom", ZOOM, file.name, "-o", target], check=True)
    # A terminal has few colours: a palette of 256 loses nothing that is seen, and two thirds of the bytes.
    subprocess.run(["pngquant", "--force", "--ext", ".png", "--strip", target], check=True)
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


def write_tour(frames: Sequence[str]) -> None:
    """Write one SVG that shows picture after picture, for browsers; it moves by CSS alone."""
    view = re.search(r'viewBox="([^"]+)"', frames[0])
    assert view is not None
    share, whole = 100 / len(frames), FRAME_SECONDS * len(frames)
    rules = [
        "@keyframes shown { 0% { visibility: visible } "
        f"{share:.3f}% {{ visibility: hidden }} 100% {{ visibility: hidden }} }}",
        f".frame {{ visibility: hidden; animation: shown {whole:g}s step-end infinite }}",
    ]
    rules += [f".f{n} {{ animation-delay: {n * FRAME_SECONDS:g}s }}" for n in range(len(frames))]
    layers = [f'<g class="frame f{n}">{frame}</g>' for n, frame in enumerate(frames)]
    target = HERE / "tour.svg"
    target.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view[1]}"><style>{" ".join(rules)}</style>\n'
        + "\n".join(layers)
        + "\n</svg>\n",
        encoding="utf-8",
    )
    print(f"tour.svg  {target.stat().st_size // 1024} KiB")


async def walk(model: Path) -> None:
    """Walk over a model, Enter by Enter, with a picture of every step."""
    from firstlight_core.session import Session
    from firstlight_tui.app import WizardApp
    from firstlight_tui.steps import list_screens

    steps = list_screens()
    app = WizardApp(session=Session(source=str(model)))
    frames: list[str] = []
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
            frames.append(without_folders(app.export_screenshot(title="firstlight"), model))
            write_png(frames[-1], step.STEP_ID)
            app.screen.action_next() if step is not steps[-1] else None

    write_tour(frames)


async def themes() -> None:
    """The precision table, half measured, in every theme."""
    from precision_scene import precision_scene

    for theme in THEMES:
        app = precision_scene()
        async with app.run_test(size=SIZE) as pilot:
            app.theme = theme
            await pilot.pause(0.5)
            svg = without_folders(app.export_screenshot(title="firstlight"), HERE)
            write_png(svg, "precision" if theme == THEMES[0] else f"theme-{theme}")


def main() -> int:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of the model; default: the sample")
    chosen: Path | None = parser.parse_args().model
    for program, package in (("rsvg-convert", "librsvg2-bin"), ("pngquant", "pngquant")):
        if shutil.which(program) is None:
            sys.stderr.write(f"{program} is missing; on Debian: apt-get install {package}\n")
            return 3
    with tempfile.TemporaryDirectory() as home:
        os.environ["FIRSTLIGHT_HOME"] = home
        from firstlight_core.paths import find_paths

        asyncio.run(walk(chosen.resolve() if chosen is not None else find_paths().sample))
    asyncio.run(themes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
