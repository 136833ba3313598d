"""Issue 5 in the wizard, on the real sample: a broken template changes the answer, the mended one is right."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from firstlight_core.artifact.settled_files import update_manifest
from firstlight_core.artifact.target import artifact_target
from firstlight_core.session import Session
from firstlight_core.workflow.services import Services
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.template.jinja_screen import JinjaScreen
from firstlight_tui.steps.template.screen import TemplateStep
from firstlight_tui.widgets import Words
from tests.support import pilot as support
from tests.support.pilot import Build

pytestmark = pytest.mark.usefixtures("loaded_jobs")

QUESTION = "What is int4 quantization?"
until = partial(support.until, seconds=90)
"""The real tools take their time."""


async def answer(app: WizardApp, pilot: Pilot[Any]) -> str:
    """The model's greedy answer to the question, asked anew."""
    talk = app.workspace.chat.first
    # A template that was written unloads the engine, which still had the old one in its memory.
    await until(pilot, lambda: talk.status == "closed")
    talk.clear()
    talk.open(artifact_target(str(app.workspace.session.artifact)))
    await until(pilot, lambda: talk.status == "ready")
    talk.add_question(QUESTION)
    talk.ask()
    await until(pilot, lambda: talk.turns and talk.turns[-1].stats)
    return talk.turns[-1].text


@pytest.mark.real
@pytest.mark.slow
async def test_a_model_answers_otherwise_with_a_broken_template_and_right_with_the_mended_one(
    wizard: Build, own_artifact: Path, sample: Path
) -> None:
    session = Session(source=str(sample), artifact=str(own_artifact))
    app = wizard(session=session, first=TemplateStep, services=Services())

    def lock() -> str:
        return str(app.screen.query_one("#lock", Words).visual)

    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Template matches" in lock())
        right = await answer(app, pilot)
        assert "4 bits" in right and right == right.strip()

        # The course's fields alone: caught with the exact sentence.
        await pilot.press("f6", "down", "down", "enter")
        await until(pilot, lambda: "Mismatch" in lock())
        assert "PromptTemplate lacks the newline after `assistant`: 1 token" in lock()

        # The same text as the chat template, which is what the runtimes read: the answer changes.
        await pilot.press("f9")
        await until(pilot, lambda: isinstance(app.screen, JinjaScreen))
        await pilot.press("f6", "down", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, JinjaScreen))
        await pilot.press("f5")
        await until(pilot, lambda: type(app.screen) is TemplateStep)
        await until(pilot, lambda: "genai lacks the newline after" in lock())
        broken = await answer(app, pilot)
        assert broken != right and broken.startswith("\n"), broken

        # One key mends fields and chat template, writes them, and the model is right again.
        await pilot.press("f8")
        await until(pilot, lambda: "● Template matches" in lock() and "Saved" in lock())
        assert (
            app.workspace.session.template is not None and app.workspace.session.template["locked"]
        )
        assert await answer(app, pilot) == right
        app.workspace.chat.first.close()
        await until(pilot, lambda: app.workspace.chat.first.status == "closed")


@pytest.mark.real
@pytest.mark.slow
async def test_a_base_model_is_given_a_template_in_the_wizard_and_answers(
    wizard: Build, own_artifact: Path
) -> None:
    (own_artifact / "chat_template.jinja").unlink()
    config = json.loads((own_artifact / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (own_artifact / "tokenizer_config.json").write_text(json.dumps(config))
    update_manifest(own_artifact, ("tokenizer_config.json", "chat_template.jinja"))
    (own_artifact / "inference_model.json").unlink(missing_ok=True)
    app = wizard(
        session=Session(artifact=str(own_artifact)), first=TemplateStep, services=Services()
    )

    def lock() -> str:
        return str(app.screen.query_one("#lock", Words).visual)

    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no chat template" in lock())
        await pilot.press("f6", "enter")
        await until(pilot, lambda: "● Template matches" in lock())
        step = app.screen
        assert isinstance(step, TemplateStep) and step.primary_label() == "Save template"
        step.primary()
        await until(pilot, lambda: "Saved" in lock())
        assert "im_start" in (own_artifact / "chat_template.jinja").read_text()
        assert "4 bits" in await answer(app, pilot)
        app.workspace.chat.first.close()
