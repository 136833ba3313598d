"""The lines of the help, without a terminal."""

from firstlight_tui.state.help_page import FOCUS_KEYS, BoundKey, KeyLine, Scope, key_lines


def bound(binding: str, key: str, words: str, scope: Scope = "step") -> BoundKey:
    return BoundKey(binding=binding, key=key, words=words, scope=scope)


def test_a_binding_is_one_line_with_all_of_its_keys() -> None:
    keys = [
        bound("app.help", "f1", "Help", "app"),
        bound("x.all", "a", "All rows"),
        bound("x.all", "f4", "All rows"),
        bound("", "up", "Cursor up"),
        bound("y.all", "g", "All rows"),
    ]
    assert [*key_lines(keys, "step")] == [KeyLine(keys="a, F4", words="All rows")]
    assert [*key_lines(keys, "app")] == [KeyLine(keys="F1", words="Help")]


def test_every_kind_of_widget_has_keys() -> None:
    assert all(lines for _, lines in FOCUS_KEYS.values())
