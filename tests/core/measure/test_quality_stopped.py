"""A quality check of several targets that is stopped hands over those that are checked."""

import asyncio
from pathlib import Path

import pytest

from firstlight_core.documents.measure import QualitiesDocument, QualityDocument
from firstlight_core.measure.quality import check_quality_of_each
from firstlight_core.measure.quality_prompts import read_prompt
from firstlight_core.process.events import Event, Stage
from tests.support.tiny_models import puppet


@pytest.mark.real
async def test_the_targets_that_are_checked_are_kept(tmp_path: Path) -> None:
    handed: list[QualityDocument | QualitiesDocument] = []
    models = [puppet(tmp_path / name, ["Hello", "."]) for name in ("left", "right")]

    def stop(event: Event) -> None:
        if isinstance(event, Stage) and event.label == "Checking right":
            running.cancel()

    running = asyncio.create_task(
        check_quality_of_each(
            models,
            prompts=[read_prompt({"prompt": "Hello?"})],
            on_event=stop,
            on_stopped=handed.append,
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await running
    (document,) = handed
    assert document["kind"] == "quality"
    assert document["target"] == str(models[0])
    assert len(document["checks"]) == 5
