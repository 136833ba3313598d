"""`firstlight PATH` and `firstlight owner/name`: the wizard opens on Model and looks into it."""

import sys
from pathlib import Path

import pytest

from firstlight_tui import __main__ as entry
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.steps.model.screen import ModelStep
from tests.support.pilot import Build, settle
from tests.support.wizard_services import Called, fake_services


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return what the wizard was opened on."""
    models: list[str | None] = []

    def open_wizard(*, demo: bool = False, model: str | None = None) -> int:
        models.append(model)
        return 0

    monkeypatch.setattr(entry, "open_wizard", open_wizard)
    return models


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["firstlight", *arguments])
    return entry.main()


def test_a_folder_or_a_hub_id_opens_the_wizard(
    opened: list[str | None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    for word in ("mine", "./mine", str(tmp_path / "mine")):
        assert run(monkeypatch, word) == 0
    assert opened == [str(tmp_path / "mine")] * 3
    assert run(monkeypatch, "Qwen/Qwen2.5-0.5B-Instruct") == 0
    assert opened[3:] == ["Qwen/Qwen2.5-0.5B-Instruct"]


def test_a_folder_that_is_not_there_is_said_in_the_shell(
    opened: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, str(tmp_path / "gone")) == 1
    assert f"There is no folder {tmp_path / 'gone'}." in capsys.readouterr().err
    assert opened == []


def test_a_mistyped_verb_is_still_a_verb(
    opened: list[str | None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "benhc") == 2
    assert "Did you mean 'bench'?" in capsys.readouterr().err
    assert opened == []


@pytest.mark.slow
async def test_the_named_model_is_chosen_and_the_machine_is_checked_meanwhile(
    wizard: Build, called: Called, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    app = wizard(first=ModelStep, model=str(tmp_path / "mine"))
    async with app.run_test() as pilot:
        await settle(pilot)
        session = app.workspace.session
        assert session.source == str(tmp_path / "mine") and session.model is not None
        assert session.environment is not None
        # The primary button has the focus: Enter goes on.
        assert app.screen.focused is app.screen.query_one("#primary")
        await pilot.press("ctrl+o")
        await settle(pilot)
        assert app.screen.query_one("#checks").row_count  # type: ignore[attr-defined]


async def test_a_hub_id_that_is_not_here_is_asked_about(wizard: Build, called: Called) -> None:
    services = fake_services(called).replaced(resolve_hub_id=lambda text: None)
    app = wizard(first=ModelStep, model="owner/name", services=services)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert app.workspace.session.model is None


async def test_a_question_that_comes_before_its_step_is_complete_stays(
    wizard: Build, called: Called
) -> None:
    """A complete step asks to be shown; what lies over it by then is neither replaced nor shown twice."""
    services = fake_services(called).replaced(resolve_hub_id=lambda text: None)
    app = wizard(first=ModelStep, model="owner/name", services=services)
    async with app.run_test() as pilot:
        await settle(pilot)
        question = app.screen
        app.show_step()
        await settle(pilot)
        assert app.screen is question and isinstance(question, ConfirmScreen)
        assert sum(isinstance(screen, ModelStep) for screen in app.screen_stack) == 1
