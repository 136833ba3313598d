"""The template step by keys and by mouse: draft, verdicts, preview, presets, mending, saving, undo."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList

from firstlight_core.errors import CheckFailed, StateProblem, TemplateRefused
from firstlight_core.template.presets import find_preset
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ConfirmScreen, DetailScreen
from firstlight_tui.modals.preset import PresetScreen
from firstlight_tui.steps.template.jinja_screen import JinjaScreen
from firstlight_tui.steps.template.screen import TemplateStep
from firstlight_tui.steps.template.verdicts import ROOM, parity_content, shapes_content
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.template_fields import TemplateFields
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL, INFERENCE_MODEL, TEMPLATE
from tests.support.wizard_services import Called, fake_services

OPEN = FULL.decide(template=None)
TOKENIZER = INFERENCE_MODEL["PromptTemplate"]
SENTENCE = "PromptTemplate lacks the newline after `assistant`: 1 token"
UNLOCKED = {
    **TEMPLATE,
    "locked": False,
    "prompt_template_of_tokenizer": TOKENIZER,
    "differences": [
        {
            "shape": "single",
            "between": "prompt-template",
            "index": 16,
            "expected": [{"id": 201, "text": "\n"}],
            "found": [],
            "sentence": SENTENCE,
        }
    ],
    "stop_tokens": {"ok": False, "missing": [4], "sentence": "It would not stop at <|im_end|>."},
}
PREVIEW = {
    "conversations": [
        {"id": "chat-template", "text": "ab", "tokens": [{"id": 1, "text": "a", "special": True}]},
        {"id": "question", "text": "ab", "tokens": [{"id": 2, "text": "\x1b[b", "special": False}]},
    ]
}


def words(app: WizardApp, selector: str) -> str:
    """What stands there; nothing as long as nothing does."""
    return "\n".join(str(widget.visual) for widget in app.screen.query(selector).results(Words))


def value(app: WizardApp, name: str) -> str:
    return app.screen.query_one(TemplateFields).field(name).value


def services(called: Called, **overrides: Any) -> Any:
    """Like the core: `check_template` judges the fields, `preview_template` counts."""

    async def check(artifact: Path, **options: Any) -> Any:
        called.calls.append(("check_template", (artifact,), options))
        good = options["inference_model"]["PromptTemplate"] == TOKENIZER
        return {**TEMPLATE, "prompt_template_of_tokenizer": TOKENIZER} if good else UNLOCKED

    async def save(artifact: Path, model: Any, *, force: bool = False, **options: Any) -> Any:
        called.calls.append(("settle_template", (artifact, model), {"force": force}))
        if model["PromptTemplate"] != TOKENIZER and not force:
            raise CheckFailed(f"The template was not written: {SENTENCE}.")
        return await check(artifact, inference_model=model)

    async def mend(artifact: Path, model: Any, **options: Any) -> Any:
        called.calls.append(("repair_template", (artifact, model), options))
        mended = {**model, "PromptTemplate": TOKENIZER}
        return {**TEMPLATE, "inference_model": mended, "mended": ["Mended."]}

    async def preview(artifact: Path, model: Any) -> Any:
        called.calls.append(("preview_template", (artifact, model), {}))
        return PREVIEW

    rows = {
        "check_template": check,
        "settle_template": save,
        "repair_template": mend,
        "preview_template": preview,
        "template_truth": lambda artifact, source: source,
    }
    return fake_services(called, **{**rows, **overrides})


async def take_preset(pilot: Pilot[Any], downs: int) -> None:
    await pilot.press("f6")
    await pilot.press(*["down"] * downs, "enter")
    await settle(pilot)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_courses_template_is_caught_and_mended_with_one_key(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        assert "Template matches" in words(app, "#lock")
        await take_preset(pilot, 2)
        assert value(app, "prompt").endswith("<|im_start|>assistant")
        assert SENTENCE in words(app, "#lock")
        assert SENTENCE in words(app, "#verdicts") and "wanted" in words(app, "#verdicts")
        assert "It would not stop" in words(app, "#verdicts")
        await pilot.press("f8")
        await settle(pilot)
        assert value(app, "prompt").endswith("assistant\\n")
        assert "● Template matches" in words(app, "#lock") and "Saved" in words(app, "#lock")
        assert app.workspace.session.template is not None
        assert app.workspace.session.template["inference_model"]["PromptTemplate"] == TOKENIZER
        await pilot.press("ctrl+z")
        assert value(app, "prompt").endswith("<|im_start|>assistant")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_by_mouse_alone(wizard: Build, called: Called, size: tuple[int, int]) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.click("#template-presets")
        await pilot.pause()
        assert isinstance(app.screen, PresetScreen)
        await pilot.click("OptionList", offset=(4, 2))
        await settle(pilot)
        assert "ChatML" not in words(app, "#lock")
        await pilot.click("#template-check")
        await settle(pilot)
        await pilot.click("#template-jinja")
        await settle(pilot)
        assert isinstance(app.screen, JinjaScreen)
        await pilot.click("#jinja-back")
        await settle(pilot)
        await pilot.click("#primary")
        await settle(pilot)
        assert app.workspace.session.template is not None
    assert "preview_template" in called.names()


@pytest.mark.slow
async def test_an_edit_survives_a_walk_and_is_undone_and_redone(
    wizard: Build, called: Called
) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.screen.query_one(TemplateFields).field("user").focus()
        await pilot.press("home", "X", "\\", "n")
        assert value(app, "user").startswith("X\\n<|im")
        assert "changed since" in words(app, "#lock")
        await pilot.press("ctrl+o")
        await settle(pilot)
        await pilot.press("ctrl+n")
        await settle(pilot)
        assert type(app.screen) is TemplateStep
        assert value(app, "user").startswith("X\\n<|im")
        await pilot.press("ctrl+z")
        assert value(app, "user").startswith("<|im")
        await pilot.press("ctrl+y")
        assert value(app, "user").startswith("X\\n<|im")
        model = [c for c in called.calls if c[0] == "check_template"][-1][2]["inference_model"]
        assert model["PromptTemplate"]["user"].startswith("X\n<|im")


@pytest.mark.slow
async def test_no_letter_is_lost_however_fast_they_come(wizard: Build, called: Called) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        field = app.screen.query_one(TemplateFields).field("name")
        field.value = ""
        await settle(pilot)
        for letter in "another":
            field.insert_text_at_cursor(letter)
            # The step has begun to hear of it, and not yet answered.
            for _ in range(3):
                await asyncio.sleep(0)
        await settle(pilot)
        assert field.value == "another"
        await pilot.press("f5")
        await settle(pilot)
        model = [c for c in called.calls if c[0] == "check_template"][-1][2]["inference_model"]
        assert model["Name"] == "another"


@pytest.mark.slow
async def test_a_broken_field_is_named_and_gets_the_focus(wizard: Build, called: Called) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        field = app.screen.query_one(TemplateFields).field("temperature")
        field.value = "hot"
        await pilot.pause()
        assert field.has_class("-broken")
        assert "ModelConfig.temperature" in words(app, "#field-words")
        await pilot.click("#primary")
        await settle(pilot)
        assert app.focused is field
        assert "settle_template" not in called.names()


@pytest.mark.slow
async def test_an_open_lock_is_written_only_after_a_yes(wizard: Build, called: Called) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await take_preset(pilot, 2)
        assert str(app.screen.query_one("#primary", Button).label) == "Save anyway"
        await pilot.click("#primary")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.click("#no")
        await settle(pilot)
        assert app.workspace.session.template is None
        await pilot.click("#primary")
        await pilot.pause()
        await pilot.click("#yes")
        await settle(pilot)
    assert (
        app.workspace.session.template is not None and not app.workspace.session.template["locked"]
    )
    forced = [options["force"] for name, _, options in called.calls if name == "settle_template"]
    assert forced == [True]


@pytest.mark.slow
async def test_a_save_that_the_lock_refuses_shows_where(wizard: Build, called: Called) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.screen.query_one(TemplateFields).field("assistant").value = "{Content}"
        await pilot.pause()
        await pilot.click("#primary")
        await settle(pilot)
        assert app.workspace.session.template is None
        assert SENTENCE in words(app, "#lock")


@pytest.mark.slow
async def test_a_failed_save_keeps_the_fields(wizard: Build, called: Called) -> None:
    async def full(*arguments: Any, **options: Any) -> Any:
        raise StateProblem("Cannot write it: no space left.", hint="Free some space.")

    app = wizard(session=OPEN, first=TemplateStep, services=services(called, settle_template=full))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.screen.query_one(TemplateFields).field("name").value = "mine"
        await pilot.pause()
        await pilot.click("#primary")
        await settle(pilot)
        assert "no space left" in words(app, "#problem-words")
        assert value(app, "name") == "mine" and app.workspace.session.template is None


@pytest.mark.slow
async def test_a_paste_of_several_lines_goes_in_whole(wizard: Build, called: Called) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        field = app.screen.query_one(TemplateFields).field("user")
        field.value = ""
        field.focus()
        await pilot.pause()
        field.post_message(events.Paste("<u>\r\n{Content}\x1b[2J\t</u>"))
        await settle(pilot)
        assert field.value == "<u>\\n{Content}\\u001b[2J\\t</u>"
        model = app.workspace.drafts.template.document()
        assert model["PromptTemplate"]["user"] == "<u>\n{Content}\x1b[2J\t</u>"
        field.post_message(events.Paste("y" * 30_000))
        await settle(pilot)
        assert len(field.value) < 20_100


@pytest.mark.slow
async def test_the_preview_is_text_at_once_and_tokens_soon(wizard: Build, called: Called) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        text_on_screen = words(app, "#preview")
        assert "1 tokens" in text_on_screen and "token 1: the chat template has" in text_on_screen
        assert "\x1b" not in text_on_screen
        app.screen.query_one(TemplateFields).field("system").value = "NEW {Content}"
        await pilot.pause()
        assert "NEW You are a careful assistant." in words(app, "#preview")
        assert "counting" in words(app, "#preview")
        await settle(pilot)
    assert called.names().count("preview_template") == 2


@pytest.mark.slow
async def test_changes_against_the_tokenizer(wizard: Build, called: Called) -> None:
    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert words(app, "#changes").count("the same") == 4
        await take_preset(pilot, 2)
        assert words(app, "#changes").count("the same") == 0
        await take_preset(pilot, 0)
        assert words(app, "#changes").count("the same") == 4


@pytest.mark.slow
async def test_an_undone_save_is_told(wizard: Build, called: Called) -> None:
    undone: list[Path] = []

    def undo(artifact: Path) -> Any:
        undone.append(artifact)
        return {"written": ["genai_config.json"], "undone": True}

    app = wizard(session=FULL, first=TemplateStep, services=services(called, undo_template=undo))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.workspace.session.template is not None
        await pilot.press("f10")
        await settle(pilot)
        assert undone == [Path(str(FULL.artifact))]
        assert app.workspace.session.template is None
        assert str(app.screen.query_one("#primary", Button).label) == "Save template"


@pytest.mark.slow
async def test_what_lies_in_the_artifact_comes_before_the_tokenizers(
    wizard: Build, called: Called
) -> None:
    mine = {**INFERENCE_MODEL, "Name": "from-disk", "Other": {"kept": True}}
    app = wizard(
        session=OPEN,
        first=TemplateStep,
        services=services(called, read_inference_model=lambda artifact: mine),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert value(app, "name") == "from-disk"
        await pilot.press("f7")
        await pilot.pause()
        assert isinstance(app.screen, DetailScreen)
        await pilot.press("escape")
        await pilot.click("#primary")
        await settle(pilot)
        assert app.workspace.session.template is not None
        assert app.workspace.session.template["inference_model"] == mine


@pytest.mark.slow
async def test_a_model_without_a_template_is_led_to_the_families(
    wizard: Build, called: Called
) -> None:
    def refuse(artifact: Path, name: str) -> Any:
        raise TemplateRefused("It has no chat template.", hint="Take its family's.")

    written: list[tuple[str, bool]] = []

    async def settle_chat(artifact: Path, text: str, *, force: bool = False) -> Any:
        written.append((text, force))
        if not force:
            raise CheckFailed("The chat template was not written: the system prompt is lost.")
        return {"written": ["chat_template.jinja"], "inference_model": INFERENCE_MODEL}

    app = wizard(
        session=OPEN,
        first=TemplateStep,
        services=services(
            called,
            default_inference_model=refuse,
            read_chat_template=lambda folder: None,
            settle_chat_template=settle_chat,
        ),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "F9" in words(app, "#lock")
        assert "no chat template" in words(app, "#lock")
        await pilot.press("f9")
        await settle(pilot)
        assert "F6 offers" in words(app, "#jinja-words")
        await pilot.press("f6", "down", "enter")
        await settle(pilot)
        assert "valid Jinja" in words(app, "#jinja-words")
        await pilot.press("f5")
        await settle(pilot)
        assert "system prompt is lost" in words(app, "#jinja-words")
        await pilot.press("f5")
        await settle(pilot)
        assert type(app.screen) is TemplateStep
        assert value(app, "name") == "sample-int4" and "Template matches" in words(app, "#lock")
    assert [force for _, force in written] == [False, True]
    assert "<|im_start|>" in written[0][0]


@pytest.mark.slow
async def test_a_model_without_a_template_takes_its_familys_fields(
    wizard: Build, called: Called
) -> None:
    def refuse(artifact: Path, name: str) -> Any:
        raise TemplateRefused("It has no chat template.", hint="Take its family's.")

    app = wizard(
        session=OPEN,
        first=TemplateStep,
        services=services(
            called, default_inference_model=refuse, read_chat_template=lambda folder: None
        ),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one("#template-presets", Button).has_focus
        await pilot.press("f6")
        await settle(pilot)
        assert isinstance(app.screen, PresetScreen)
        assert app.screen.query_one(OptionList).get_option_at_index(0).id == "chatml"
        await pilot.press("enter")
        await settle(pilot)
        assert value(app, "prompt").endswith("<|im_start|>assistant\\n")
        model = [c for c in called.calls if c[0] == "check_template"][-1][2]["inference_model"]
        assert model["PromptTemplate"]["user"] == "<|im_start|>user\n{Content}<|im_end|>\n"
        assert "Template matches" in words(app, "#lock")


@pytest.mark.slow
async def test_jinja_says_the_line_and_keeps_what_was_typed(wizard: Build, called: Called) -> None:
    app = wizard(
        session=OPEN,
        first=TemplateStep,
        services=services(called, read_chat_template=lambda folder: "{% if x %}\nok\n{% endif %}"),
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("f9")
        await settle(pilot)
        await pilot.press("down", "{", "{", "%")
        await settle(pilot)
        assert "✗ Line 2" in words(app, "#jinja-words")
        await pilot.press("ctrl+home", "f5")
        await settle(pilot)
        area: Any = app.screen.query_one("#jinja")
        assert area.cursor_location == (1, 0)
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("f9")
        await settle(pilot)
        assert "{{%ok" in app.screen.query_one("#jinja").text  # type: ignore[attr-defined]


def test_names_of_conversations_stand_whole_where_there_is_room() -> None:
    long = "system prompt and several turns"
    shape: Any = {"id": "x", "label": long, "genai": "same", "tokens": {"reference": 58}}
    report: Any = {**UNLOCKED, "shapes": [shape, {**shape, "label": "short"}]}
    narrow, wide = (
        str(shapes_content(report, width=width)).splitlines() for width in (ROOM - 1, ROOM)
    )
    assert "several …" in narrow[0] and long not in narrow[0]
    assert long in wide[0] and "…" not in wide[0]
    assert wide[0].index("58 tokens") == wide[1].index("58 tokens")


@pytest.mark.slow
async def test_nothing_of_a_hostile_model_reaches_the_screen_raw(
    wizard: Build, called: Called
) -> None:
    evil = "\x1b]52;c;AAAA\x07[@click=app.quit]x[/]\u202e{Content}"
    prompts = dict.fromkeys(("system", "user", "assistant", "prompt"), evil)
    model = {**INFERENCE_MODEL, "PromptTemplate": prompts}
    app = wizard(
        session=OPEN,
        first=TemplateStep,
        services=services(called, read_inference_model=lambda artifact: model),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for key in ("preview", "changes", "verdicts"):
            assert not {"\x1b", "\x07", "\u202e"} & set(words(app, f"#{key}"))
        for field in app.screen.query(Input):
            assert not {"\x1b", "\x07", "\u202e"} & set(field.value)
        assert app.workspace.drafts.template.document()["PromptTemplate"]["user"] == evil


@pytest.mark.slow
async def test_every_preset_can_be_taken(wizard: Build, called: Called) -> None:
    from firstlight_core.template.presets import PRESETS

    app = wizard(session=OPEN, first=TemplateStep, services=services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for index, preset in enumerate(PRESETS, start=1):
            await take_preset(pilot, index)
            fields = app.workspace.drafts.template.document()["PromptTemplate"]
            assert fields == find_preset(preset.key).prompt_template


def test_the_verdict_reads_as_a_sentence() -> None:
    assert parity_content(TEMPLATE, fresh=True, saved=True).plain == (
        " ● Template matches  1 of 2 conversations: all renderers give the same tokens.  Saved."
    )
    odd = parity_content({**TEMPLATE, "exceptions": ["tools"]}, fresh=True, saved=True).plain
    assert " ● Template matches  1 of 2 conversations (onnxruntime-genai reads one " in odd
