"""Every shipped theme can be read: WCAG 2.1 contrast of each pair of colours that the wizard puts together."""

import re
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

import firstlight_tui
from firstlight_themes import load_themes
from firstlight_tui.widgets.charts import roles

THEMES = load_themes()[0]
GROUNDS = ("background", "surface", "panel")
TEXTS = (
    *("foreground", "foreground-muted", "text", "text-muted", "text-primary", "text-secondary"),
    *("text-accent", "text-success", "text-warning", "text-error"),
)
TINTS = ("primary", "secondary", "accent", "success", "error")
TEXT_PAIRS = [
    *((text, ground) for text in TEXTS for ground in GROUNDS),
    ("footer-foreground", "footer-background"),
    ("footer-key-foreground", "footer-background"),
    ("footer-description-foreground", "footer-background"),
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("input-selection-foreground", "input-selection-background"),
    ("input-cursor-foreground", "input-cursor-background"),
    ("markdown-h1-color", "background"),
    ("markdown-h2-color", "background"),
    ("markdown-h3-color", "surface"),
    *(("button-color-foreground", kind) for kind in ("primary", "success", "warning", "error")),
    ("button-foreground", "surface"),
    # Tokens, control tokens, and text that was struck out or added.
    *((f"text-{kind}", f"{kind}-muted") for kind in TINTS),
]
COLOURS = ("primary", "secondary", "accent", "success", "warning", "error")
SHAPE_PAIRS = [
    (shape, ground)
    # `border-blurred` is the colour of troughs, axes and borders without the focus.
    for shape in (*COLOURS, "border", "border-blurred")
    for ground in GROUNDS
]


EDGE = re.compile(
    r"(?:border|outline)[a-z-]*:\s*[a-z]+\s+\$([a-z-]+)|scrollbar-color[a-z-]*:\s*\$([a-z-]+)"
)
"""The colour of a border or of a scroll bar in a style sheet."""


def luminance(color: Color) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(front: Color, back: Color) -> float:
    """Contrast ratio as WCAG 2.1 defines it, from 1 to 21."""
    low, high = sorted((luminance(front), luminance(back)))
    return (high + 0.05) / (low + 0.05)


def resolve(value: str, ground: Color) -> Color:
    """The colour that a style sheet value becomes on a ground: `auto 60%` and alpha included."""
    word, _, percent = value.partition(" ")
    alpha = float(percent.rstrip("%") or 100) / 100
    if word == "auto":
        return ground + ground.get_contrast_text(alpha)
    color = Color.parse(word)
    return ground + color.with_alpha(color.a * alpha)


def ratio(theme: Theme, front: str, back: str) -> float:
    colors = theme.to_color_system().generate()
    ground = resolve(colors[back], Color.parse(colors["background"]))
    return contrast(resolve(colors[front], ground), ground)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("pair", TEXT_PAIRS, ids="-on-".join)
def test_text_can_be_read(theme: Theme, pair: tuple[str, str]) -> None:
    least = 7.0 if theme.name == "contrast" else 4.5
    assert ratio(theme, *pair) >= least


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("pair", SHAPE_PAIRS, ids="-on-".join)
def test_shapes_can_be_seen(theme: Theme, pair: tuple[str, str]) -> None:
    assert ratio(theme, *pair) >= 3.0


def test_borders_take_measured_colours_only() -> None:
    wizard = Path(firstlight_tui.__file__).parent
    sheets = [
        path.read_text("utf-8") for path in wizard.rglob("*") if path.suffix in (".py", ".tcss")
    ]
    used = {a or b for sheet in sheets for a, b in EDGE.findall(sheet)}
    measured = {shape for shape, _ in SHAPE_PAIRS}
    assert used and used <= measured, sorted(used - measured)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("role", ["TROUGH", "FILL"])
def test_troughs_and_fills_of_charts_can_be_seen(theme: Theme, role: str) -> None:
    colour = {"TROUGH": roles.TROUGH, "FILL": roles.FILL}[role].removeprefix("$")
    assert all(ratio(theme, colour, ground) >= 3.0 for ground in GROUNDS)


def test_contrast_is_the_one_of_wcag() -> None:
    assert contrast(Color.parse("#000000"), Color.parse("#FFFFFF")) == pytest.approx(21)
    assert contrast(Color.parse("#777777"), Color.parse("#FFFFFF")) == pytest.approx(4.48, abs=0.01)
