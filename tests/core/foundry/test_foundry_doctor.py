"""The scanner of older Foundry Local cores, simulated, against the oracle of the fault kit."""

import json
from pathlib import Path

import pytest

from firstlight_core.foundry.folder_scan import diagnose, scan
from tests.support import faultkit

# The fault kit leaves its files to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def model(folder: Path, name: object = "a", **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "genai_config.json").write_text("{}")
    (folder / "inference_model.json").write_text(json.dumps({"Name": name}))
    for file, text in files.items():
        (folder / file.replace("_", ".")).write_text(text)
    return folder


def test_a_good_folder_is_listed_with_version_zero(tmp_path: Path) -> None:
    verdict = diagnose(model(tmp_path / "custom" / "a"), tmp_path)
    assert verdict.listed and verdict.id == "a:0" and verdict.reasons == ()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "genai_config.json").unlink(), "no genai_config.json"),
        (lambda f: (f / "inference_model.json").unlink(), "no inference_model.json"),
        (lambda f: (f / "inference_model.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "inference_model.json").write_text("[]"), "holds no object"),
        (lambda f: (f / "inference_model.json").write_text('{"Name": 1}'), "no text Name"),
        (lambda f: (f / "inference_model.json").write_text('{"name": "a"}'), "no text Name"),
        (lambda f: (f / "download.tmp").touch(), "unfinished download"),
    ],
)
def test_every_reason_is_named(tmp_path: Path, spoil: object, message: str) -> None:
    folder = model(tmp_path / "custom" / "a")
    spoil(folder)  # type: ignore[operator]
    verdict = diagnose(folder, tmp_path)
    assert not verdict.listed
    assert message in " ".join(verdict.reasons)
    assert faultkit.foundry_sees(str(tmp_path)) == {}


def test_a_duplicate_hides_the_earlier_one(tmp_path: Path) -> None:
    first, second = model(tmp_path / "a", "x"), model(tmp_path / "b", "x:0")
    assert "same Name and hides it" in diagnose(first, tmp_path).reasons[0]
    assert diagnose(second, tmp_path).listed


def test_outside_inside_another_and_missing(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    outer = model(root / "outer")
    inner = model(outer / "inner", "b")
    assert "does not lie below" in diagnose(model(tmp_path / "elsewhere"), root).reasons[0]
    assert "taken for a model" in diagnose(inner, root).reasons[0]
    assert diagnose(root / "nothing", root).reasons == ("There is no such folder.",)


def test_a_provider_in_the_name_is_a_warning(tmp_path: Path) -> None:
    verdict = diagnose(model(tmp_path / "a", "phi-cuda-gpu:1"), tmp_path)
    assert verdict.listed and "demand that hardware" in verdict.reasons[0]


def test_the_scan_agrees_with_the_oracle(tmp_path: Path) -> None:
    model(tmp_path / "custom" / "deep" / "er" / "a", "a")
    model(tmp_path / ".hidden" / "b", "b:3")
    model(tmp_path / "c", "c", download_tmp="")
    model(tmp_path / "d", None)
    model(tmp_path / "a" / "below", "below")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    listed = {verdict.id for verdict in scan(tmp_path) if verdict.listed}
    assert listed == set(faultkit.foundry_sees(str(tmp_path))) == {"a:0", "b:3", "below:0"}
