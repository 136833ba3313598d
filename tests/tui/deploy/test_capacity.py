"""The form for a vLLM server: asked before its files are written, by keys and by mouse."""

import pytest
from textual.widgets import Input

from firstlight_core.exports.vllm_command import Capacity
from firstlight_tui.steps.deploy.capacity_screen import CapacityScreen
from firstlight_tui.steps.deploy.screen import DeployStep
from firstlight_tui.widgets import Words
from tests.support import documents
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services

OPEN = FULL.decide(deployment=None)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_form_is_asked_and_kept(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    app = wizard(session=OPEN, first=DeployStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.click("#target-vllm")
        await pilot.click("#primary")
        await settle(pilot)
        assert isinstance(app.screen, CapacityScreen)
        for widget in app.screen.query("Input, Button"):
            assert app.screen.region.contains_region(widget.region) and widget.region.width > 3
        await pilot.press("end", "backspace", "4", "tab", "end", "0", "enter")
        await settle(pilot)
        request = next(options for name, _, options in called.calls if name == "deploy")
        assert request["target"] == "vllm"
        assert request["capacity"] == Capacity(gpus=4, context=20480)


@pytest.mark.slow
async def test_escape_writes_nothing_and_a_wrong_number_is_said(
    wizard: Build, called: Called
) -> None:
    app = wizard(session=OPEN, first=DeployStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.click("#target-vllm")
        await pilot.click("#primary")
        await settle(pilot)
        for value, fault in (("99", "from 0 to 64"), ("", "wants a whole number")):
            app.screen.query_one("#capacity-gpus", Input).value = value
            await pilot.click("#write")
            await settle(pilot)
            assert fault in str(app.screen.query_one("#fault", Words).visual)
        await pilot.press("escape")
        await settle(pilot)
        assert type(app.screen) is DeployStep
        await pilot.click("#primary")
        await settle(pilot)
        await pilot.click("#cancel")
        await settle(pilot)
    assert "deploy" not in called.names()


@pytest.mark.parametrize(
    "verified,sentence",
    [
        (True, "read back and checked"),
        pytest.param(False, "Written. sample", marks=pytest.mark.slow),
    ],
)
async def test_an_export_is_not_called_verified_by_foundry_local(
    wizard: Build, called: Called, verified: bool, sentence: str
) -> None:
    document = documents.exported(
        "sample",
        "bundle",
        verified=verified,
        files=["sample.zip"],
        notes=["TEMPLATE was \x1b[31mcompared."],
        commands=[],
    )

    async def deploy(*arguments: object, **options: object) -> object:
        return document

    app = wizard(session=OPEN, first=DeployStep, services=fake_services(called, deploy=deploy))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.click("#target-bundle")
        await pilot.click("#primary")
        await settle(pilot)
        assert sentence in str(app.screen.query_one("#verdict", Words).visual)
        assert "Foundry" not in str(app.screen.query_one("#verdict", Words).visual)
        places = str(app.screen.query_one("#places", Words).visual)
        assert "TEMPLATE was" in places and "\x1b" not in places
        await pilot.press("f8")
        await settle(pilot)
    undone = next(options for name, _, options in called.calls if name == "undo")
    assert undone == {"target": "bundle"}
