"""The keys as a list that can be edited, without a terminal."""

from firstlight_tui.state.keymap import UNSET, VIM, KeyRow, clashes, given, ordered, preset
from firstlight_tui.terminal.preferences import list_keys, load_screens


def row(id: str, keys: str, changed: str | None = None) -> KeyRow:
    return KeyRow(id=id, words=id, default=keys, changed=changed)


HELP, ALL, TUNE = (
    row("app.help", "f1,question_mark"),
    row("environment.all", "a,f4"),
    row("benchmark.tune", "t"),
)
CLOSE, SEND = row("detail.close", "escape,q"), row("ask.send", "enter")
ROWS = [CLOSE, TUNE, HELP, ALL, SEND]


def shipped() -> list[KeyRow]:
    load_screens()
    return [
        KeyRow(id=binding.id or "", words=str(binding.tooltip), default=binding.key)
        for binding in list_keys()
    ]


def test_what_works_everywhere_comes_first_and_dialogs_last() -> None:
    assert [each.id for each in ordered(ROWS)] == [
        "app.help",
        "ask.send",
        "environment.all",
        "benchmark.tune",
        "detail.close",
    ]


def test_two_acts_clash_where_both_can_be_meant() -> None:
    assert clashes(ROWS, TUNE, "question_mark") == [HELP]
    assert clashes(ROWS, HELP, "t") == [TUNE]
    assert clashes(ROWS, TUNE, "a") == []
    assert clashes(ROWS, HELP, "q") == []
    assert clashes(ROWS, row("chat.keep", "f7"), "enter") == [SEND]


def test_a_key_that_is_given_is_taken_from_the_act_that_had_it() -> None:
    assert given(ROWS, TUNE, "f1") == {"benchmark.tune": "f1", "app.help": "question_mark"}
    assert given([TUNE, row("app.x", "x")], TUNE, "x") == {
        "benchmark.tune": "x",
        "app.x": f"{UNSET}_app.x",
    }
    assert given(ROWS, row("benchmark.tune", "t", "y"), "t") == {"benchmark.tune": None}


def test_an_act_without_a_key_says_so() -> None:
    assert row("app.x", "x", f"{UNSET}_app.x").names == "–"
    assert row("app.help", "f1,question_mark").names == "F1, ?"


def test_the_keys_of_vim_clash_with_nothing_that_ships() -> None:
    assert preset(shipped(), VIM) == VIM


def test_no_two_acts_that_ship_clash() -> None:
    rows = shipped()
    # A step says in its own words what a key of the wizard does there.
    same = {("chat.stop", "step.stop")}
    twice = [
        (act.id, other.id, key)
        for act in rows
        for key in act.default.split(",")
        for other in clashes(rows, act, key)
        if act.id < other.id
        and "connect" not in act.id + other.id
        and (act.id, other.id) not in same
    ]
    assert twice == []


def test_no_key_that_ships_belongs_to_tmux() -> None:
    assert not [row.id for row in shipped() if "ctrl+b" in row.default.split(",")]
