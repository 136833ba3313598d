"""The template step's state without a screen: reading, families, proving, what the newest check is about."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.errors import CheckFailed, TemplateRefused
from firstlight_core.template.presets import PRESETS, find_preset
from firstlight_core.workflow.services import Services
from firstlight_tui.state.chat_template_editing import (
    SOURCE,
    ChatTemplateEditing,
    SyntaxLook,
)
from firstlight_tui.state.template_editing import (
    TOKENIZER,
    Act,
    TemplateEditing,
    settle_result,
)
from firstlight_tui.state.workspace import Workspace
from tests.support.background import LoopTasks
from tests.support.wizard_documents import FULL, INFERENCE_MODEL, TEMPLATE
from tests.support.wizard_services import Called, fake_services

OPEN = FULL.decide(template=None)
PROMPTS = INFERENCE_MODEL["PromptTemplate"]
MakeEditing = Callable[..., tuple[TemplateEditing, Workspace]]


@pytest.fixture
def make_editing() -> MakeEditing:
    def make(*, session: Any = OPEN, **services: Any) -> tuple[TemplateEditing, Workspace]:
        base = {"read_inference_model": lambda folder: None, "template_truth": lambda *a: None}
        fakes: Services = fake_services(Called(), **{**base, **services})
        workspace = Workspace(LoopTasks(), session=session, services=fakes)
        return TemplateEditing(workspace), workspace

    return make


async def prove(
    editing: TemplateEditing, workspace: Workspace, act: Act, *, force: bool = False
) -> dict[str, Any]:
    """Carry out a proof to its end, and write its result down as the step does."""
    editing.prove(act, force=force)
    while editing.checking:
        await asyncio.sleep(0.001)
    assert editing.work is not None
    result: dict[str, Any] = editing.work.result
    settle_result(workspace, result, editing.work.seconds)
    return result


async def test_the_artifacts_own_fields_come_before_the_tokenizers(
    make_editing: MakeEditing,
) -> None:
    own: InferenceModel = {**INFERENCE_MODEL, "Name": "own"}
    editing, _ = make_editing(read_inference_model=lambda folder: own)
    await editing.read()
    assert editing.draft is not None and editing.draft.document()["Name"] == "own"
    editing, _ = make_editing()
    await editing.read()
    assert editing.draft is not None and editing.draft.document() == INFERENCE_MODEL


@pytest.mark.parametrize("text", [None, "{{ broken"])
async def test_a_model_without_a_template_is_bare(
    make_editing: MakeEditing, text: str | None
) -> None:
    def refuse(folder: Path, name: str) -> InferenceModel:
        raise TemplateRefused("No template.")

    editing, _ = make_editing(
        default_inference_model=refuse, read_chat_template=lambda folder: text
    )
    with pytest.raises(TemplateRefused):
        await editing.read()
    assert editing.bare is (text is None) and editing.takes_families is editing.bare
    assert (TOKENIZER in [key for key, _, _ in editing.families()]) is not editing.bare
    editing.bare = True
    editing.take_family(PRESETS[0].key)
    assert editing.draft is not None
    expected = find_preset(PRESETS[0].key).prompt_template
    assert editing.draft.document()["PromptTemplate"] == expected


async def test_a_family_replaces_the_prompts_and_the_tokenizers_come_back(
    make_editing: MakeEditing,
) -> None:
    editing, _ = make_editing()
    await editing.read()
    assert editing.draft is not None
    editing.draft.edit("name", "mine")
    editing.take_family(PRESETS[-1].key)
    document = editing.draft.document()
    assert document["Name"] == "mine"
    assert document["PromptTemplate"] == find_preset(PRESETS[-1].key).prompt_template
    assert await editing.take_tokenizers()
    assert editing.draft.document()["PromptTemplate"] == PROMPTS


async def test_a_check_is_about_the_fields_until_they_change(make_editing: MakeEditing) -> None:
    editing, workspace = make_editing()
    await editing.read()
    await prove(editing, workspace, "check")
    assert editing.fresh and not editing.saved and not editing.differs
    await prove(editing, workspace, "save")
    assert editing.saved and workspace.session.template is not None
    assert editing.draft is not None
    editing.draft.edit("name", "another")
    assert not editing.fresh and not editing.saved


async def test_a_refused_save_leaves_its_evidence(make_editing: MakeEditing) -> None:
    async def refuse(*arguments: Any, **options: Any) -> Any:
        raise CheckFailed("They differ.")

    async def check(*arguments: Any, **options: Any) -> Any:
        return {**TEMPLATE, "locked": False}

    editing, workspace = make_editing(settle_template=refuse, check_template=check)
    await editing.read()
    result = await prove(editing, workspace, "save")
    assert result["refused"] and editing.differs and workspace.session.template is None


async def test_a_broken_number_forbids_saving_and_a_broken_prompt_not_mending(
    make_editing: MakeEditing,
) -> None:
    editing, _ = make_editing()
    await editing.read()
    assert editing.draft is not None and editing.broken_field("save") is None
    editing.draft.edit("user", "no place")
    broken = editing.broken_field("save")
    assert broken is not None and broken[0] == "user" and editing.broken_field("mend") is None
    editing.draft.edit("user", PROMPTS["user"])
    editing.draft.edit("temperature", "hot")
    broken = editing.broken_field("mend")
    assert broken is not None and broken[0] == "temperature"
    assert editing.broken_field("check") is None


async def test_a_result_of_another_artifact_changes_nothing(make_editing: MakeEditing) -> None:
    _, workspace = make_editing()
    settle_result(workspace, {"artifact": "/another", "kind": "settled"}, 1.0)
    assert workspace.session.template is None


async def test_the_ledger_keeps_the_verdict_in_words(
    make_editing: MakeEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, workspace = make_editing()
    kept: list[Any] = []
    monkeypatch.setattr(
        workspace, "record", lambda step, status, values, **more: kept.append(values)
    )
    result: Any = {**TEMPLATE, "artifact": workspace.session.artifact, "sentence": "14 of 15."}
    settle_result(workspace, result, 1.0)
    (values,) = kept
    assert values["sentence"] == "14 of 15."
    assert values["differences"] == TEMPLATE["differences"]


async def test_the_preview_is_counted_for_these_fields_only(make_editing: MakeEditing) -> None:
    async def preview(artifact: Path, model: InferenceModel) -> Any:
        return {"conversations": []}

    editing, _ = make_editing(preview_template=preview)
    await editing.read()
    segments, tokens = editing.preview()
    assert set(segments) == {"question", "conversation"} and tokens is None
    await editing.count_preview()
    assert editing.preview()[1] == {"conversations": []}
    editing.take_family(PRESETS[-1].key)
    assert editing.preview()[1] is None


class ChatTemplates:
    """Chat templates of two folders, and what was written to one."""

    def __init__(self, texts: dict[Path, str | None]) -> None:
        self.texts = texts
        self.written: list[tuple[str, bool]] = []

    def read(self, folder: Path) -> str | None:
        return self.texts[folder]

    async def settle(self, folder: Path, text: str, *, force: bool = False) -> Any:
        self.written.append((text, force))
        if not force:
            raise CheckFailed("The system prompt is lost.")
        return {"written": ["chat_template.jinja"], "inference_model": INFERENCE_MODEL}


ARTIFACT, SOURCE_FOLDER = Path("/a"), Path("/models/mine")


def chat_template_editing(
    templates: ChatTemplates, source: Path | None = SOURCE_FOLDER
) -> ChatTemplateEditing:
    services = fake_services(
        Called(), read_chat_template=templates.read, settle_chat_template=templates.settle
    )
    workspace = Workspace(LoopTasks(), session=OPEN, services=services)
    return ChatTemplateEditing(workspace, ARTIFACT, source)


async def test_a_chat_template_is_shown_harmlessly_and_kept_as_typed() -> None:
    templates = ChatTemplates({ARTIFACT: "a\x1b[2J", SOURCE_FOLDER: None})
    editing = chat_template_editing(templates)
    text = await editing.read()
    assert text is not None and "\x1b" not in text and editing.is_altered(text)
    assert await editing.read_source() is None
    assert editing.draft is None
    editing.remember("{{ x }}")
    assert editing.draft == "{{ x }}" and not editing.is_altered("{{ x }}")


async def test_the_sources_own_template_stands_before_the_families() -> None:
    templates = ChatTemplates({ARTIFACT: None, SOURCE_FOLDER: "mine"})
    editing = chat_template_editing(templates)
    assert editing.families()[0] == (SOURCE, "The source model's own", "mine")
    assert await editing.read() is None and await editing.read_source() == "mine"
    alone = chat_template_editing(templates, source=None)
    assert [key for key, _, _ in alone.families()] == [preset.key for preset in PRESETS]
    assert "<|im_start|>" in alone.family_text("chatml")


async def test_a_template_is_looked_at_by_line() -> None:
    editing = chat_template_editing(ChatTemplates({}))
    broken = await editing.look("a\n{% if %}")
    assert broken.problem is not None and broken.problem.line == 2 and not broken.doubts
    good = await editing.look("a\n{{ messages }}")
    assert good == SyntaxLook(2)


async def test_a_second_try_of_the_same_text_accepts_the_differences() -> None:
    templates = ChatTemplates({})
    editing = chat_template_editing(templates)
    editing.remember("x")
    for text in ("x", "y"):
        with pytest.raises(CheckFailed):
            await editing.write(text)
    written = await editing.write("y")
    assert written["written"] == ["chat_template.jinja"] and editing.draft is None
    assert templates.written == [("x", False), ("y", False), ("y", True)]
