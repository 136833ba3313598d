"""A quality check that is stopped hands over the targets that are checked; before the first, what is finished of it."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from firstlight_core.documents.measure import QualitiesDocument, QualityDocument
from firstlight_core.history.records import quality_records
from firstlight_core.measure.quality import check_quality_of_each
from firstlight_core.measure.quality_prompts import read_prompt
from firstlight_core.process.events import Event, Progress, Stage
from tests.support.tiny_models import puppet


async def stopped(
    models: Sequence[Path], texts: Sequence[str], when: Callable[[Event], bool]
) -> QualityDocument | QualitiesDocument:
    """Return what a check hands over that is cancelled at an event."""
    handed: list[QualityDocument | QualitiesDocument] = []

    def stop(event: Event) -> None:
        if when(event):
            running.cancel()

    running = asyncio.create_task(
        check_quality_of_each(
            models,
            prompts=[read_prompt({"prompt": text}) for text in texts],
            on_event=stop,
            on_stopped=handed.append,
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await running
    (document,) = handed
    return document


@pytest.mark.real
async def test_the_targets_that_are_checked_are_kept(tmp_path: Path) -> None:
    models = [puppet(tmp_path / name, ["Hello", "."]) for name in ("left", "right")]
    document = await stopped(
        models,
        ("Hello?",),
        lambda event: isinstance(event, Stage) and event.label == "Checking right",
    )
    assert document["kind"] == "quality"
    assert document["target"] == str(models[0])
    assert len(document["checks"]) == 5


@pytest.mark.real
@pytest.mark.parametrize("until", ["questions", "generations"])
async def test_the_answers_of_the_first_target_are_kept(tmp_path: Path, until: str) -> None:
    document = await stopped(
        [puppet(tmp_path / "left", ["Hello", "."])],
        ("Hello?", "And you?"),
        lambda event: isinstance(event, Progress) and event.unit == until,
    )
    assert document["kind"] == "quality"
    assert document["stopped"] and not document["ok"]
    answered = 1 if until == "questions" else 2
    assert [answer["prompt"] for answer in document["answers"]] == ["Hello?", "And you?"][:answered]
    assert document["verdict"].startswith(f"Stopped early, after {answered} of 2 questions")
    statuses = [check["status"] for check in document["checks"]]
    assert len(statuses) == 5 and statuses[1] != "not-run" and statuses[2:] == ["not-run"] * 3
    (record,) = quality_records(document)
    assert record["void"] and record["void_reasons"] == [document["verdict"]]


@pytest.mark.real
async def test_nothing_is_handed_over_before_the_first_answer(tmp_path: Path) -> None:
    handed: list[QualityDocument | QualitiesDocument] = []

    def stop(event: Event) -> None:
        if isinstance(event, Stage) and event.name == "answers":
            running.cancel()

    running = asyncio.create_task(
        check_quality_of_each(
            [puppet(tmp_path / "left", ["Hello", "."])],
            prompts=[read_prompt({"prompt": "Hello?"})],
            on_event=stop,
            on_stopped=handed.append,
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not handed
