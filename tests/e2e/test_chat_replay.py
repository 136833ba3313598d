"""A conversation with the really converted sample, saved and asked again, in the wizard with its real services."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from firstlight_core.session import Session
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.chat.token_screen import AlternativesScreen
from firstlight_tui.widgets.ask import Ask
from tests.tui.chat.test_chat import say

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("clean_children")]


async def test_a_saved_conversation_replays_to_the_same_answers(
    artifact: Callable[[str], Path], tmp_path: Path
) -> None:
    app = WizardApp(session=Session(artifact=str(artifact("int4"))), first=ChatStep)
    async with app.run_test(size=(100, 30)) as pilot:

        async def ready() -> None:
            """The engine answers in its own time: wait for its process, not for the clock."""
            asking = [w for w in app.workers if w.group == "asking" and not w.is_finished]
            if asking:
                await app.workers.wait_for_complete(asking)
            async with asyncio.timeout(20):
                while app.workspace.chat.first.status != "ready":
                    await pilot.pause(0.02)

        await ready()
        for question in ("What is int4 quantization?", "And int8?"):
            app.screen.query_one(Ask).text = question
            await pilot.press("enter")
            await pilot.pause()
            await ready()
        first = [(turn.text, turn.ids) for turn in app.workspace.chat.first.answers]
        assert len(first) == 2 and all(text for text, _ in first)
        await say(pilot, f"/save {tmp_path}")
        lines = (tmp_path / "conversation.jsonl").read_text().splitlines()
        assert [json.loads(line).get("tokens") for line in lines][1::2] == [i for _, i in first]
        await say(pilot, f"/replay {tmp_path / 'conversation.jsonl'}")
        await ready()
        assert [(turn.text, turn.ids) for turn in app.workspace.chat.first.answers] == first

        # The likeliest token of a greedy answer is the one that was said.
        answer = app.workspace.chat.first.answers[-1]
        for index in (0, len(answer.ids) // 2, len(answer.ids) - 1):
            likely = await app.workspace.chat.first.alternatives(answer, index)
            assert likely[0]["id"] == answer.ids[index]
        await pilot.press("f10")
        await pilot.pause()
        assert isinstance(app.screen, AlternativesScreen)
        await pilot.press("escape")

        schema = {
            "type": "object",
            "properties": {"bits": {"enum": [4, 8]}, "small": {"type": "boolean"}},
            "required": ["bits", "small"],
            "additionalProperties": False,
        }
        app.screen.query_one(Ask).text = f"/schema {json.dumps(schema)}"
        await pilot.press("enter")
        async with asyncio.timeout(20):
            while app.workspace.chat.first.settings.json_schema != schema:
                await pilot.pause(0.02)
        app.screen.query_one(Ask).text = "What is int4?"
        await pilot.press("enter")
        await pilot.pause()
        await ready()
        reply = json.loads(app.workspace.chat.first.answers[-1].text)
        assert reply["bits"] in (4, 8) and isinstance(reply["small"], bool)
