"""`make test-real`: two real models through every step, against transformers in float32."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firstlight_core.model.inspection import inspect_model
from tests.optin.real_models import MODELS

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.mark.parametrize("name", MODELS)
def test_the_folder_can_be_converted(real_folder: Callable[[str], Path], name: str) -> None:
    found = inspect_model(real_folder(name)).to_json()
    assert found["supported"] and found["tied_embeddings"]
