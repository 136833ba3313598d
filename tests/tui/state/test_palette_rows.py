"""What the command palette offers, without a terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.model.sources import FoundModel
from firstlight_core.session import Session
from firstlight_core.settings_table import SETTINGS
from firstlight_tui.state.key_names import key_name, key_names
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.palette import (
    Act,
    act_rows,
    model_rows,
    setting_rows,
    step_rows,
    term_rows,
    theme_rows,
)
from firstlight_tui.steps import list_steps
from tests.support.wizard_documents import FULL


def act(action: str, key: str, words: str = "Do") -> Act:
    return Act(action=action, key=key, words=words, help="", run=lambda: None)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("ctrl+n", "Ctrl+N"),
        ("f11", "F11"),
        ("shift+tab", "Shift+Tab"),
        ("question_mark", "?"),
        ("c", "c"),
        ("escape", "Esc"),
        ("home", "Home"),
        ("pagedown", "PgDn"),
    ],
)
def test_keys_are_written_as_people_read_them(key: str, name: str) -> None:
    assert key_name(key) == name


def test_several_keys_stand_in_one_line() -> None:
    assert key_names("a,f4") == "a, F4"


def test_an_act_is_one_row_whatever_keys_it_has() -> None:
    acts = [
        act("connect", "ctrl+g"),
        act("app.connect", "f9"),
        act("scroll(1)", "pagedown", ""),
        act("command_palette", "ctrl+p"),
    ]
    assert [(row.title, row.key) for row in act_rows(acts)] == [("Do", "Ctrl+G")]


def test_a_step_opens_or_says_why_not() -> None:
    refused: list[str] = []
    navigation = Navigation(list_steps())
    rows = {row.title: row for row in step_rows(navigation, Session(), refused.append)}
    assert len(rows) == len(list_steps()) - 1 and rows["Go to Chat"].help == "not yet"
    rows["Go to Chat"].run()
    assert "Choose a model first" in refused[0] and navigation.position == 0
    rows["Go to Model"].run()
    assert navigation.steps[navigation.position].STEP_ID == "model"
    whole = {row.title: row for row in step_rows(navigation, FULL, refused.append)}
    whole["Go to Chat"].run()
    assert whole["Go to Convert"].help == "done" and len(refused) == 1


def test_each_row_does_what_it_says() -> None:
    chosen: list[Any] = []
    model = FoundModel(
        name="phi",
        path=Path("/m/phi"),
        origin="cache",
        architecture="Phi3",
        weight_bytes=2**30,
    )
    rows: list[Callable[[], object]] = [
        *(row.run for row in model_rows([model, model], chosen.append)),
        *(row.run for row in theme_rows(["paper", "dawn"], "dawn", chosen.append)),
        *(row.run for row in setting_rows(chosen.append)),
    ]
    for run in rows:
        run()
    folder = str(model.path)
    assert chosen == [folder, folder, "paper", "dawn", *SETTINGS]
    assert next(model_rows([model], chosen.append)).help == "cache, 1.00 GiB"
    assert [row.help for row in theme_rows(["paper", "dawn"], "dawn", chosen.append)] == [
        "",
        "in use",
    ]


def test_terms_wait_until_something_is_typed() -> None:
    rows = list(term_rows(lambda term: None))
    assert all(row.only_searched for row in rows)
    assert any("KL" in row.also for row in rows)
