"""Every shipped theme can be read: WCAG 2.1 contrast of each pair of colours that the wizard puts together."""

import pytest
from textual.color import Color
from textual.theme import Theme

from firstlight_themes import load_themes

THEMES = load_themes()[0]
GROUNDS = ("background", "surface", "panel")
TEXTS = (
    *("foreground", "foreground-muted", "text", "text-muted", "text-primary", "text-secondary"),
    *("text-accent", "text-success", "text-warning", "text-error"),
)
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
]
COLOURS = ("primary", "secondary", "accent", "success", "warning", "error")
SHAPE_PAIRS = [
    (shape, ground)
    # `border-blurred` is the colour of troughs, axes and borders without the focus.
    for shape in (*COLOURS, "border", "border-blurred")
    for ground in GROUNDS
]


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


def test_contrast_is_the_one_of_wcag() -> None:
    assert contrast(Color.parse("#000000"), Color.parse("#FFFFFF")) == pytest.approx(21)
    assert contrast(Color.parse("#777777"), Color.parse("#FFFFFF")) == pytest.approx(4.48, abs=0.01)
