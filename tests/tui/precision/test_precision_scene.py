"""The scene for the README's picture: real figures, no path of the machine they were measured on."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from firstlight_tui.app import WizardApp
from tests.support.pilot import SIZES, settle
from tests.tui.precision.test_precision import row

SCENES = Path(__file__).parents[3] / "screenshots"


def scene_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("precision_scene", SCENES / "precision_scene.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_scene_is_half_measured(size: tuple[int, int]) -> None:
    app = scene_module().precision_scene()
    assert isinstance(app, WizardApp)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for key in ("int8", "int4", "int4-compact"):
            assert row(pilot, key)["drift"] != "–" and row(pilot, key)["decode"] != "–"
        for key in ("fp32", "fp16", "int4-quality"):
            assert row(pilot, key)["measured"] == "–"


def test_the_scene_names_no_folder_of_a_machine() -> None:
    text = (SCENES / "scenes" / "precision.json").read_text("utf-8")
    for folder in ("/tmp/", "/home/", "/root", "/work/", "/Users/", ":\\\\"):
        assert folder not in text
