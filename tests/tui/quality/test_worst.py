"""The examples that drifted most: words, side by side, and nothing of a dictionary."""

import pytest

from firstlight_core.documents.measure import DriftDocument, DriftExample
from firstlight_tui.steps.quality.screen import QualityStep
from firstlight_tui.steps.quality.worst_screen import (
    NOTHING,
    WorstScreen,
    distance_words,
    example_text,
)
from firstlight_tui.widgets import Words
from tests.support import faultkit
from tests.support.measured_documents import qualities_document, quality_document
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL, QUALITY

EXAMPLE: DriftExample = {
    "prompt": "What is int4?",
    "kl_mean": 1.2889946798592943e-05,
    "original": "Four bits a weight.",
    "artifact": "Four bits for each weight.",
    "first_divergence": 2,
    "texts_differ_at": 10,
}
SAME: DriftExample = {**EXAMPLE, "artifact": EXAMPLE["original"], "first_divergence": None}


def test_the_distance_in_words() -> None:
    assert distance_words(EXAMPLE) == (
        "mean KL 1.3e-05 nats a token; at token 3 the artifact would choose another one"
    )
    assert distance_words(SAME).endswith("would choose every token of the original's answer")
    text = example_text("int4", EXAMPLE)
    assert text.startswith("int4: What is int4?\nmean KL") and "_" not in text


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("several", [True, False])
async def test_both_answers_stand_side_by_side(
    wizard: Build, size: tuple[int, int], several: bool
) -> None:
    hostile: DriftExample = {**EXAMPLE, "prompt": faultkit.PAYLOAD, "artifact": faultkit.PAYLOAD}
    drift: DriftDocument = {**QUALITY["drift"], "worst": [EXAMPLE, SAME, hostile]}
    of_artifact = quality_document("/models/out/int4", drift=drift)
    quality = qualities_document(of_artifact, of_artifact) if several else of_artifact
    app = wizard(session=FULL.decide(quality=quality), first=QualityStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("f6")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, WorstScreen)
        left, right = list(screen.query(".side"))[:2]
        assert left.region.y == right.region.y and left.region.right <= right.region.x
        assert right.region.right <= size[0]
        text = "\n".join(str(words.render()) for words in screen.query(Words))
        assert "kl_mean" not in text and "None" not in text
        assert "Four bits a weight." in text and "The same, to the last word." in text


async def test_without_drift_it_says_so(wizard: Build) -> None:
    app = wizard(
        session=FULL.decide(quality=quality_document("/models/out/int4")), first=QualityStep
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("f6")
        await settle(pilot)
        assert NOTHING in str(app.screen.query_one(Words).render())
