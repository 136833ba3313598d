"""The model step: the table, the field, hub ids, adapters, adopted folders, refusals."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from firstlight_core.errors import ModelRefused
from firstlight_core.model.adapter import BaseMissing
from firstlight_core.model.adapter_bases import remembered_base
from firstlight_core.model.sources import FoundModel
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Progress, Stage
from firstlight_core.session import Session
from firstlight_core.workflow.services import Services
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.steps.convert.screen import ConvertStep
from firstlight_tui.steps.model.inspection import decided
from firstlight_tui.steps.model.screen import ModelStep
from firstlight_tui.steps.model.text import (
    choose_models,
    count_words,
    facts_words,
    fit_bar,
    fit_words,
)
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.steps.template.screen import TemplateStep
from firstlight_tui.widgets import ProblemPanel, Words, WorkView
from firstlight_tui.widgets.fitted_table import FittedTable
from firstlight_tui.widgets.path_input import LENGTH_LIMIT, complete_folder, plain_path
from tests.support.pilot import SIZES, Build, age, settle
from tests.support.tiny_models import tiny_genai
from tests.support.wizard_documents import FULL, MODEL
from tests.support.wizard_services import Called, fake_services

SAMPLE = find_paths().sample


def found(name: str, origin: str, size: int, folder: str) -> FoundModel:
    return FoundModel(
        name=name,
        path=Path(folder),
        origin=origin,
        architecture="Qwen2ForCausalLM",
        weight_bytes=size,
    )


MODELS = [
    FoundModel(
        name="sample", path=SAMPLE, origin="sample", architecture="Qwen2ForCausalLM", weight_bytes=4
    ),
    found("zebra", "recent", 300, "/models/zebra"),
    found("owner/apple", "cache", 900, "/cache/apple"),
]


@pytest.fixture
def build(wizard: Build, called: Called) -> Build:
    def made(session: Session | None = None, **services: Any) -> WizardApp:
        given = {"find_models": lambda: MODELS, **services}
        return wizard(
            services=fake_services(called, **given), first=ModelStep, session=session or Session()
        )

    return made


def names(app: WizardApp) -> list[str]:
    return [str(cell) for cell in app.screen.query_one(FittedTable).get_column("name")]


def words(app: WizardApp, selector: str) -> str:
    return str(app.screen.query_one(selector, Words).content)


async def give(pilot: Pilot[Any], text: str, field: str = "#path") -> None:
    """Put a text into the field and press Enter."""
    box = pilot.app.screen.query_one(field, Input)
    box.focus()
    box.value = text
    await pilot.press("enter")
    await settle(pilot)


# What is typed, pasted, dragged in --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pasted", "path"),
    [
        ("/models/a\n", "/models/a"),
        ("  '/models/with space'  \r\n", "/models/with space"),
        ('"/models/b"', "/models/b"),
        ("file:///models/with%20space", "/models/with space"),
        ("FILE://localhost/models/c\nfile:///other", "/models/c"),
        ("/models/with\\ space\\(1\\)", "/models/with space(1)"),
        ("~/models/d", "~/models/d"),
        ("owner/name", "owner/name"),
        ("", ""),
        ("\n", ""),
    ],
)
def test_what_terminals_paste_becomes_a_path(pasted: str, path: str) -> None:
    assert plain_path(pasted) == path


def test_the_first_folder_by_name_completes(tmp_path: Path) -> None:
    for name in ("beta", "alpha", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "aaa-file").touch()
    assert complete_folder(f"{tmp_path}/") == f"{tmp_path}/alpha/"
    assert complete_folder(f"{tmp_path}/b") == f"{tmp_path}/beta/"
    assert complete_folder(f"{tmp_path}/.h") == f"{tmp_path}/.hidden/"
    assert complete_folder(f"{tmp_path}/nothing") is None
    assert complete_folder("word") is None
    assert complete_folder("/nul\0") is None


async def test_tab_completes_a_begun_folder_and_moves_on_after_it(
    build: Build, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        box = app.screen.query_one("#path", Input)
        box.focus()
        box.value = f"{tmp_path}/mo"
        box.cursor_position = len(box.value)
        while not box._suggestion:
            await pilot.pause()
        await pilot.press("tab")
        assert box.value == f"{tmp_path}/models/" and app.focused is box
        await pilot.press("tab")
        assert app.focused is not box


async def test_a_folder_dragged_in_lands_in_the_field_wherever_the_focus_is(build: Build) -> None:
    app = build(session=FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.focused is app.screen.query_one("#primary")
        app.screen.post_message(events.Paste("'/models/my model'\n"))
        await pilot.pause()
        assert app.screen.query_one("#path", Input).value == "/models/my model"


async def test_a_paste_is_cut_at_the_limit_and_refused_with_a_nul(build: Build) -> None:
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        box = app.screen.query_one("#path", Input)
        box.focus()
        box.post_message(events.Paste("/" + "x" * 10_000))
        await pilot.pause()
        assert len(box.value) == LENGTH_LIMIT
        assert any("Cut to 4096" in note.message for note in app._notifications)
        box.post_message(events.Paste("/models/\0evil"))
        await pilot.pause()
        assert "evil" not in box.value
        assert any("NUL" in note.message for note in app._notifications)


# The table --------------------------------------------------------------------------------------------


def test_models_are_chosen_by_words_origin_and_order() -> None:
    def told(**by: str) -> list[str]:
        return [model.name for model in choose_models(MODELS, **by)]

    assert told() == ["sample", "zebra", "owner/apple"]
    assert told(needle="APPLE cache") == ["owner/apple"]
    assert told(origin="recent") == ["zebra"]
    assert told(sort="name") == ["owner/apple", "sample", "zebra"]
    assert told(sort="size") == ["owner/apple", "zebra", "sample"]


async def test_typing_searches_and_enter_takes_the_only_row(build: Build, called: Called) -> None:
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert names(app) == ["sample", "zebra", "owner/apple"]
        await pilot.press("slash")
        assert app.screen.query_one("#path", Input).value == "/", "from the table it begins a path"
        await pilot.press("backspace", *"zeb")
        await pilot.pause()
        assert names(app) == ["zebra"]
        await pilot.press("enter")
        await settle(pilot)
        assert ("inspect", (Path("/models/zebra"),), {}) in called.calls


@pytest.mark.slow
async def test_keys_and_headers_sort_and_filter(build: Build) -> None:
    app = build()
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("s")
        assert names(app) == ["owner/apple", "sample", "zebra"]
        await pilot.press("s")
        assert names(app) == ["owner/apple", "zebra", "sample"]
        await pilot.press(*"ffff")
        assert names(app) == ["owner/apple"]
        await pilot.press("f")
        await pilot.click("#models", offset=(3, 0))
        await pilot.pause()
        assert names(app) == ["owner/apple", "sample", "zebra"]
        await pilot.click("#models", offset=(3, 0))
        await pilot.pause()
        assert names(app) == ["sample", "zebra", "owner/apple"]


async def test_a_folder_from_elsewhere_stands_in_the_table_marked_and_selected(
    build: Build, tmp_path: Path
) -> None:
    app = build()
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await give(pilot, str(tmp_path))
        table = app.screen.query_one(FittedTable)
        assert names(app)[-1] == tmp_path.name and table.current == str(tmp_path)
        assert [str(mark) for mark in table.get_column("mark")] == ["", "", "", "✓"]


def test_what_a_model_needs_is_a_part_of_the_machine() -> None:
    assert fit_bar(0, 16 * 2**30) == fit_bar(1, 0) == "–"
    assert fit_bar(269_060_552, 16 * 2**30) == "▕█░░░░░░░▏ ≈ 277.0 MiB"
    assert fit_bar(29_000_000_000, 4 * 2**30).startswith("✗ too large ≈ 8.30 GiB")


def test_parameters_read_as_in_every_verb() -> None:
    assert count_words(134_515_008) == "134.5 M" and count_words(None) == "?"


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_table_never_scrolls_sideways(build: Build, size: tuple[int, int]) -> None:
    app = build(find_models=lambda: [*MODELS, found("n" * 200, "recent", 1, "/" + "p" * 400)])
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        table = app.screen.query_one(FittedTable)
        assert table.virtual_size.width <= table.size.width


# Hub ids ----------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_hub_id_is_downloaded_only_after_a_yes(build: Build, tmp_path: Path) -> None:
    requests: list[tuple[str, bool]] = []

    async def download(hub_id: str, *, agreed: bool, on_event: Any, started: Any) -> dict[str, Any]:
        requests.append((hub_id, agreed))
        on_event(Stage("download", "Downloading 1 GiB"))
        on_event(Progress(1, 2, "bytes"))
        return {"path": str(tmp_path)}

    app = build(download=download)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await give(pilot, "owner/name")
        assert isinstance(app.screen, ConfirmScreen)
        question = str(app.screen.query_one(Words).content)
        assert "huggingface.co" in question and "not known" in question
        await pilot.click("#no")
        await settle(pilot)
        assert requests == [] and app.workspace.session.model is None
        await give(pilot, "owner/name")
        await pilot.click("#yes")
        await settle(pilot)
        assert requests == [("owner/name", True)]
        assert (
            app.workspace.session.source == str(tmp_path) and app.workspace.session.model == MODEL
        )


@pytest.mark.slow
async def test_a_download_shows_how_far_it_is_and_can_be_cancelled(build: Build) -> None:
    ended = asyncio.Event()

    async def download(hub_id: str, *, on_event: Any, **_: Any) -> dict[str, Any]:
        on_event(Stage("download", "Downloading 2.00 MiB"))
        on_event(Progress(2**20, 2**21, "bytes"))
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    app = build(download=download)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        box = app.screen.query_one("#path", Input)
        box.focus()
        box.value = "owner/name"
        await pilot.press("enter")
        await settle(pilot)
        await pilot.click("#yes")
        while not (work := app.workspace.works.get("inspect")) or work.progress is None:
            await pilot.pause()
        app.workspace.publish_works()
        await pilot.pause()
        assert "1.00 MiB of 2.00 MiB" in str(app.screen.query_one("#work", WorkView).content)
        assert str(app.screen.query_one("#primary").label) == "Stop"  # type: ignore[attr-defined]
        age(app, "inspect", 5)
        await pilot.press("escape")
        await asyncio.wait_for(ended.wait(), 60)
        assert app.workspace.session.model is None


async def test_offline_is_an_instant_answer(
    build: Build, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await give(pilot, "owner/name")
        assert app.screen.query_one(ProblemPanel).has_class("-shown")
        assert "HF_HUB_OFFLINE" in words(app, "#problem-words")
        assert "inspect" not in called.names()


async def test_a_cached_hub_id_needs_no_question(build: Build, tmp_path: Path) -> None:
    app = build(resolve_hub_id=lambda text: tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await give(pilot, "owner/name")
        assert app.workspace.session.source == str(tmp_path)


# What the folder is -----------------------------------------------------------------------------------


async def test_a_refusal_stands_on_the_step_and_keeps_the_choices(build: Build) -> None:
    def refuse(folder: Path) -> Any:
        raise ModelRefused(
            "This folder holds a GGUF model \x1b[31m[b].", hint="Choose the original folder."
        )

    app = build(session=FULL, inspect=refuse)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await give(pilot, "/models/gguf")
        problem = words(app, "#problem-words")
        assert "GGUF model ␛[31m[b]." in problem and "original folder" in problem
        assert app.workspace.session == FULL
        panel = app.screen.query_one(ProblemPanel)
        assert panel.region.y >= 0 and panel.region.bottom <= 24


@pytest.mark.slow
async def test_an_adapter_without_its_base_asks_for_it(
    build: Build, called: Called, tmp_path: Path
) -> None:
    adapter, base = tmp_path / "adapter", tmp_path / "base"
    adapter.mkdir(), base.mkdir()
    requests: list[Path | None] = []

    def inspect(folder: Path, *, base: Path | None = None) -> Any:
        requests.append(base)
        if base is None:
            raise BaseMissing("This is a LoRA adapter.", hint="Name it.")
        return MODEL

    app = build(inspect=inspect)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await give(pilot, str(adapter))
        assert app.screen.query_one("#base").display
        assert app.focused is app.screen.query_one("#base")
        await give(pilot, str(base), "#base")
        assert requests == [None, base]
        assert app.workspace.session.source == str(adapter) and app.workspace.session.model == MODEL
        assert remembered_base(adapter) == base


def test_a_remembered_base_is_found_by_every_later_step(sample: Path, tmp_path: Path) -> None:
    from firstlight_core.model.adapter import adapter_base
    from firstlight_core.model.adapter_bases import remember_base

    adapter = Path(shutil.copytree(sample.parent / "adapter", tmp_path / "far" / "adapter"))
    with pytest.raises(BaseMissing):
        adapter_base(adapter)
    remember_base(adapter, sample)
    assert adapter_base(adapter) == sample


@pytest.mark.slow
async def test_an_onnx_folder_is_adopted_and_conversion_skipped(
    build: Build, tmp_path: Path
) -> None:
    folder = tiny_genai(tmp_path / "onnx")
    app = build(session=FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await give(pilot, str(folder))
        assert app.workspace.session == Session(environment=FULL.environment, artifact=str(folder))
        assert "adopted" in words(app, "#facts")
        await pilot.press("enter")
        await settle(pilot)
        assert type(app.screen) is TemplateStep
        # Nothing was chosen or converted here, so nothing is marked as done.
        assert not PrecisionStep.done(app.workspace.session) and not ConvertStep.done(
            app.workspace.session
        )


def test_other_weights_in_the_same_folder_clear_what_depended_on_them() -> None:
    same = {"kind": "inspected", "source": FULL.source, "model": MODEL}
    assert decided(FULL, same).artifacts == FULL.artifacts
    other = {
        "kind": "inspected",
        "source": FULL.source,
        "model": {**MODEL, "fingerprint": "0" * 64},
    }
    assert decided(FULL, other).artifacts == ()
    assert decided(FULL, other).environment == FULL.environment


async def test_a_chosen_folder_is_there_again_next_time(build: Build, tmp_path: Path) -> None:
    from firstlight_core.model.sources import find_models

    folder = Path(shutil.copytree(SAMPLE, tmp_path / "mine"))
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await give(pilot, str(folder))
        assert app.workspace.session.source == str(folder)
    assert [(m.name, m.origin) for m in find_models()] == [("sample", "sample"), ("mine", "recent")]


@pytest.mark.slow
async def test_an_impossible_name_is_one_sentence(build: Build) -> None:
    app = build(inspect=Services().inspect)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for text in ("/nowhere/at/all", "~nobody-here/x", "/" + "x" * 4000):
            await give(pilot, text)
            assert app.screen.query_one(ProblemPanel).has_class("-shown"), text
            assert app.workspace.session.model is None


# The card ---------------------------------------------------------------------------------------------


def test_the_real_sample_shows_its_facts_and_that_it_fits() -> None:
    model = dict(Services().inspect(SAMPLE))
    text = facts_words(str(SAMPLE), model).plain
    for words in (
        "Qwen2ForCausalLM",
        "supported",
        "2.3 M",
        "embedding 0.5 M, body 1.8 M, head tied",
        "bfloat16",
        "context 1024 tokens",
        "chat_template.jinja",
        "licence",
        "<|im_end|>",
        "stop ids 2, 0",
        "sha256:",
        "INT4: 1.64 MiB, ",
    ):
        assert words in text, words


def test_what_does_not_fit_says_why_and_what_would() -> None:
    rows = {
        "int4": {"available": False, "reason": "Needs 64 GiB of memory; 8 GiB is available."},
        "fp32": {"available": True, "reason": ""},
    }
    text = fit_words(rows).text.plain
    assert "will not fit" in text and "64 GiB" in text and "What fits: FP32" in text


def test_a_warning_from_a_model_is_only_text() -> None:
    text = facts_words("/m\x1b", MODEL).plain
    assert "\x1b" not in text and "[b]markup[/b]" in text


def test_unwritable_state_forgets_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from firstlight_core.model.adapter_bases import remember_base

    monkeypatch.setenv("FIRSTLIGHT_HOME", os.devnull + "/nowhere")
    remember_base(tmp_path, tmp_path)
    assert remembered_base(tmp_path) is None


@pytest.mark.parametrize(
    ("status", "words"), [("proven", "proven: each"), ("unproven", "works here, unproven: each")]
)
def test_the_card_says_what_was_measured_of_such_a_model(status: str, words: str) -> None:
    support = {"status": status, "reason": "each\x1b of it"}
    text = facts_words("m", MODEL | {"support": support}).plain
    assert words in text
    assert "\x1b" not in text
