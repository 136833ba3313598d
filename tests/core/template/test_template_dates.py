"""A chat template that tells the date: warned of, never frozen silently, and yesterday's is no difference."""

from datetime import datetime
from pathlib import Path

import pytest

from firstlight_core.artifact.inference_model import build_inference_model
from firstlight_core.artifact.settled_files import update_manifest
from firstlight_core.deploy.deployment import deploy
from firstlight_core.template.dates import date_formats, date_notes, dates_in, with_today
from firstlight_core.template.parity import check_template, derive_prompt_template
from tests.support.template_families import FAMILIES, write_family

pytestmark = pytest.mark.usefixtures("loaded_jobs")

TODAY = datetime(2026, 11, 29)


@pytest.mark.parametrize(
    ("template", "formats"),
    [
        ("{{ messages }}", ()),
        ("{{ strftime_now('%d %b %Y') }}", ("%d %b %Y",)),
        (
            '{%- set today = strftime_now("%Y-%m-%d") %}{{ strftime_now("%B %d, %Y") }}',
            ("%Y-%m-%d", "%B %d, %Y"),
        ),
        (
            "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}",
            ("%d %b %Y",),
        ),
        ("{{ strftime_now('", ()),
    ],
)
def test_the_formats_are_read_from_the_template(template: str, formats: tuple[str, ...]) -> None:
    assert date_formats(template) == formats


def test_a_format_that_is_computed_is_one_of_the_common_ones() -> None:
    assert "%Y-%m-%d" in date_formats("{{ strftime_now(form) }}")


@pytest.mark.parametrize(
    ("form", "old", "today"),
    [
        ("%d %b %Y", "Today Date: 28 Nov 2026\n", "Today Date: 29 Nov 2026\n"),
        ("%Y-%m-%d", "Current date: 1999-01-02.", "Current date: 2026-11-29."),
        ("%B %d, %Y", "is January 02, 1999,", "is November 29, 2026,"),
        ("%A, %-d %B %y", "Sunday, 1 May 05", "Sunday, 29 November 26"),
        ("%d %b %Y", "Knowledge: December 2023", "Knowledge: December 2023"),
        ("%d %b %Y", "128 Nov 20261", "128 Nov 20261"),
    ],
)
def test_an_old_date_becomes_todays(form: str, old: str, today: str) -> None:
    assert with_today({"system": old}, (form,), now=TODAY) == {"system": today}
    assert bool(dates_in(old, (form,))) is (old != today)


def test_what_is_frozen_is_said() -> None:
    (sentence,) = date_notes({"system": "Today: 28 Nov 2026 {Content}"}, ("%d %b %Y",))
    assert "`28 Nov 2026`" in sentence and "PromptTemplate cannot" in sentence
    assert len(date_notes({"system": "{Content}"}, ("%d %b %Y",))) == 1
    assert date_notes({"system": "28 Nov 2026"}, ()) == []


@pytest.mark.real
async def test_yesterdays_date_in_the_fields_is_no_difference(tmp_path: Path) -> None:
    family = next(family for family in FAMILIES if family.key == "llama-3.2")
    folder = write_family(tmp_path / "llama", family)
    derived = await derive_prompt_template(folder)
    today = datetime.now().strftime("%d %b %Y")
    assert today in str(derived)
    old = {name: text.replace(today, "28 Nov 2025") for name, text in derived.items()}
    document = await check_template(folder, None, build_inference_model("old", old))
    assert document["locked"], document["sentence"]
    assert not [d for d in document["differences"] if d["between"] == "prompt-template"]
    assert any("`28 Nov 2025`" in note for note in document["notes"])
    assert document["inference_model"]["PromptTemplate"] == old, "said, not changed"
    wrong = {name: text.replace(today, "a day") for name, text in derived.items()}
    assert not (await check_template(folder, None, build_inference_model("w", wrong)))["locked"]


@pytest.mark.real
async def test_deploying_says_which_date_it_froze(own_artifact: Path) -> None:
    template = (own_artifact / "chat_template.jinja").read_text()
    dated = "{{- '<|im_start|>system\\nIt is ' + strftime_now('%d %b %Y') + '<|im_end|>\\n' }}"
    (own_artifact / "chat_template.jinja").write_text(dated + template)
    update_manifest(own_artifact, ("chat_template.jinja",))
    document = await deploy(own_artifact, "dated", target="folder")
    (note,) = document["notes"]
    assert datetime.now().strftime("`%d %b %Y`") in note
