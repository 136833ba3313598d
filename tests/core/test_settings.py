"""settings.toml: precedence, one sentence for each mistake, edits that keep comments."""

from pathlib import Path

import pytest

from firstlight_core.errors import InputRefused
from firstlight_core.model.sources import find_models, find_source
from firstlight_core.paths import Paths, find_paths
from firstlight_core.settings import change_keys, change_settings, default_precision, load_settings
from tests.support.schemas import validator
from tests.support.tiny_models import tiny_hf

WRITTEN = """\
# mine
theme = "paper"  # like my terminal
precision = "int8"

[keys]
"app.quit" = "ctrl+x"
step.next = "ctrl+f"
"""


@pytest.fixture
def paths() -> Paths:
    own_paths = find_paths()
    own_paths.config.mkdir(parents=True)
    return own_paths


def test_without_a_file_everything_has_its_default() -> None:
    settings, mistakes = load_settings()
    assert (settings.values, settings.keys, mistakes) == ({}, {}, ())
    assert (settings.precision, settings.models, settings.monitor) == ("int4", None, "auto")


def test_the_environment_wins_over_the_file(paths: Paths) -> None:
    paths.settings.write_text(WRITTEN)
    settings, mistakes = load_settings(paths, {"FIRSTLIGHT_PRECISION": "fp16"})
    assert not mistakes
    assert settings.values == {"theme": "paper", "precision": "fp16"}
    assert settings.from_environment == {"precision"}
    assert settings.keys == {"app.quit": "ctrl+x", "step.next": "ctrl+f"}
    assert default_precision() == "int8"


def test_a_precision_may_be_named_by_its_label(paths: Paths) -> None:
    paths.settings.write_text('precision = "INT4 compact"')
    settings, mistakes = load_settings()
    assert (settings.precision, settings.values, mistakes) == (
        "int4-compact",
        {"precision": "int4-compact"},
        (),
    )


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("\nprecision = 'int5'", 2, "precision", "names no precision"),
        ("theme = 3", 1, "theme", "must be a text"),
        ("models = 'here'", 1, "models", "whole path"),
        ("# x\ncolour = 'red'", 2, "colour", "is no setting; known are: theme"),
        ("monitor = 'big'", 1, "monitor", "must be one of: auto"),
        ("keys = 3", 1, "keys", "must be a table"),
        ('[keys]\n"app.quit" = ""', 2, "keys.app.quit", "must be a key"),
        ("theme = ", 1, "", "not valid TOML"),
        ("alert_cpu_percent = 101", 1, "alert_cpu_percent", "whole number from 1 to 100"),
        ("alert_response_ms = true", 1, "alert_response_ms", "must be a whole number"),
        ("alert_response_ms = '2000'", 1, "alert_response_ms", "must be a whole number"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(
    paths: Paths, text: str, line: int, field: str, words: str
) -> None:
    paths.settings.write_text(text)
    settings, (mistake,) = load_settings(paths, {})
    assert (mistake.line, mistake.field) == (line, field)
    assert words in str(mistake) and f"line {line}" in str(mistake)
    assert str(mistake).startswith("settings.toml")
    assert not settings.values


def test_a_wrong_variable_is_a_mistake_too(paths: Paths) -> None:
    _, (mistake,) = load_settings(paths, {"FIRSTLIGHT_MONITOR": "huge"})
    assert "FIRSTLIGHT_MONITOR must be one of" in str(mistake)


def test_an_edit_keeps_comments_and_keys(paths: Paths) -> None:
    paths.settings.write_text(WRITTEN)
    change_settings({"theme": 'da"wn', "precision": None, "monitor": "off"}, paths)
    assert paths.settings.read_text() == (
        '# mine\ntheme = "da\\"wn"  # like my terminal\nmonitor = "off"\n\n'
        '[keys]\n"app.quit" = "ctrl+x"\nstep.next = "ctrl+f"\n'
    )
    assert load_settings(paths, {})[0].values == {"theme": 'da"wn', "monitor": "off"}


def test_a_number_is_written_as_one_and_keeps_its_comment(paths: Paths) -> None:
    paths.settings.write_text("alert_cpu_percent = 70  # a laptop\n")
    change_settings({"alert_cpu_percent": "60", "alert_response_ms": "500"}, paths)
    assert paths.settings.read_text() == (
        "alert_cpu_percent = 60  # a laptop\nalert_response_ms = 500\n"
    )
    thresholds = load_settings(paths, {"FIRSTLIGHT_ALERT_MEMORY_PERCENT": "50"})[0].thresholds
    assert thresholds == {
        "response_time_ms": 500,
        "error_rate_percent": 5,
        "memory_usage_percent": 50,
        "cpu_usage_percent": 60,
    }


def test_keys_are_changed_and_everything_else_stays(paths: Paths) -> None:
    change_keys({"app.help": "f3"}, paths)
    assert paths.settings.read_text().endswith('\n[keys]\n"app.help" = "f3"\n')
    paths.settings.write_text(WRITTEN)
    change_keys({"app.quit": "ctrl+y", "app.help": "f3", "step.next": None}, paths)
    assert paths.settings.read_text() == (
        '# mine\ntheme = "paper"  # like my terminal\nprecision = "int8"\n\n'
        '[keys]\n"app.quit" = "ctrl+y"\n"app.help" = "f3"\n'
    )
    change_keys({"app.quit": None, "app.help": None}, paths)
    assert load_settings(paths, {})[0].keys == {}
    paths.settings.write_text("[keys.app]\nquit = 'x'\n")
    change_keys({"app.quit": "y"}, paths)
    assert load_settings(paths, {})[0].keys == {"app.quit": "y"}


def test_a_new_file_says_what_it_is_and_what_cannot_be_edited_is_written_anew(paths: Paths) -> None:
    change_settings({"theme": "ember"}, paths)
    assert paths.settings.read_text().startswith("# Firstlight's settings.")
    paths.settings.write_text('theme = """\na\nb"""\n')
    change_settings({"theme": "dawn"}, paths)
    assert load_settings(paths, {})[0].values == {"theme": "dawn"}


def test_a_file_that_is_no_toml_is_not_overwritten(paths: Paths) -> None:
    paths.settings.write_text("theme = ")
    with pytest.raises(InputRefused, match="not valid TOML"):
        change_settings({"theme": "dawn"}, paths)
    assert paths.settings.read_text() == "theme = "


def test_the_output_folder_moves_the_runs(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    change_settings({"output": "~/runs"}, paths)
    assert find_paths().runs == Path.home() / "runs"
    monkeypatch.setenv("FIRSTLIGHT_OUTPUT", str(Path.home() / "others"))
    assert find_paths().runs == Path.home() / "others"
    monkeypatch.setenv("FIRSTLIGHT_OUTPUT", "relative")
    assert find_paths().runs == find_paths().data / "runs"


def test_models_of_the_folder_are_listed_and_named(paths: Paths) -> None:
    own = Path.home() / "models"
    own.mkdir()
    tiny_hf(own / "mine")
    change_settings({"models": str(own)}, paths)
    assert [(m.name, m.origin) for m in find_models()][1:] == [("mine", "folder")]
    assert find_source("mine") == own / "mine"
    assert find_source("other") == Path("other")


def test_the_schema_knows_every_setting(paths: Paths) -> None:
    import tomllib

    assert not list(
        validator("settings.toml.file").iter_errors(
            tomllib.loads(WRITTEN.replace("step.next", '"step.next"'))
        )
    )
