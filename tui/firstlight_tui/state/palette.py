"""The rows of the command palette: acts, steps, models, themes, settings and terms, in this order."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from firstlight_core.documents.glossary import Term
from firstlight_core.glossary import list_terms, names_of
from firstlight_core.model.sources import FoundModel
from firstlight_core.session import Session
from firstlight_core.settings_table import SETTINGS, SettingRow
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.state.key_names import key_name
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.runs_list import row_words

if TYPE_CHECKING:
    from firstlight_core.workflow.earlier_runs import EarlierRun

PALETTE = "command_palette"
"""The action that opens the palette, which is no row of it."""
Group = Literal["act", "step", "model", "run", "theme", "setting", "term"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaletteRow:
    """One row: what it does, and what a person reads and types to find it."""

    group: Group
    title: str
    run: Callable[[], object]
    help: str = ""
    key: str = ""
    """Name of the key that does the same; empty when there is none."""
    theme: str = ""
    """Name of the theme that is shown while the row is highlighted."""
    also: str = ""
    """Further words that find it."""
    only_searched: bool = False
    """Whether it waits until something is typed."""


Late = Callable[[], Awaitable[Sequence[PaletteRow]]]
"""Reads rows from the disk; they are added when they are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A key binding that works now."""

    action: str
    key: str
    words: str
    help: str
    run: Callable[[], object]


def act_rows(acts: Iterable[Act]) -> Iterator[PaletteRow]:
    """Yield a row for each act, once, whatever keys it has."""
    seen: set[str] = set()
    for act in acts:
        name = act.action.removeprefix("app.")
        if act.words and name not in (*seen, PALETTE):
            seen.add(name)
            yield PaletteRow(
                group="act", title=act.words, help=act.help, key=key_name(act.key), run=act.run
            )


def step_rows(
    navigation: Navigation, session: Session, refuse: Callable[[str], None]
) -> Iterator[PaletteRow]:
    """Yield a row for each step; one that cannot be opened says why."""
    for number, step in enumerate(navigation.steps):
        if number == navigation.position:
            continue
        why = navigation.hindrance(number, session)
        done = "done" if step.done(session) else ""
        go = partial(refuse, why) if why else partial(navigation.open, step)
        title = f"Go to {step.STEP_TITLE}"
        yield PaletteRow(group="step", title=title, help="not yet" if why else done, run=go)


def model_rows(models: Iterable[FoundModel], choose: Callable[[str], None]) -> Iterator[PaletteRow]:
    """Yield a row for each model on this machine."""
    for model in models:
        folder = str(model.path)
        size = bytes_text(model.weight_bytes) if model.weight_bytes else ""
        words = ", ".join(word for word in (model.origin, size) if word)
        use = partial(choose, folder)
        yield PaletteRow(group="model", title=f"Use {model.name}", help=words, run=use)


def run_rows(runs: Iterable["EarlierRun"], show: Callable[[str], None]) -> Iterator[PaletteRow]:
    """Yield a row for each earlier run."""
    for run in runs:
        title, help = row_words(run)
        yield PaletteRow(group="run", title=title, help=help, run=partial(show, run.run.id))


def theme_rows(
    themes: Iterable[str], now: str, choose: Callable[[str], None]
) -> Iterator[PaletteRow]:
    """Yield a row for each theme."""
    for theme in themes:
        words, wear = "in use" if theme == now else "", partial(choose, theme)
        yield PaletteRow(group="theme", title=f"Theme {theme}", help=words, theme=theme, run=wear)


def setting_rows(show: Callable[[SettingRow], None]) -> Iterator[PaletteRow]:
    """Yield a row for each setting."""
    for row in SETTINGS:
        title, help = f"Set {row.title.lower()}", one_line(row.help)
        yield PaletteRow(group="setting", title=title, help=help, run=partial(show, row))


def term_rows(show: Callable[[Term], None]) -> Iterator[PaletteRow]:
    """Yield a row for each term of the glossary."""
    for term in list_terms():
        yield PaletteRow(
            group="term",
            title=f"What is {term['term']}?",
            help=one_line(term["text"]),
            also=", ".join(names_of(term)),
            run=partial(show, term),
            only_searched=True,
        )
