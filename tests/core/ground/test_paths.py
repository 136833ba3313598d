"""Where things go: below FIRSTLIGHT_HOME when it is set, else where the system wants them."""

from pathlib import Path

import pytest

from firstlight_core.artifact.target import find_target
from firstlight_core.errors import InputRefused, ModelRefused, UsageError
from firstlight_core.inference.structured_output import read_schema
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.sources import complete_folder, find_source
from firstlight_core.paths import absolute, find_paths


def test_one_variable_moves_everything(tmp_path: Path) -> None:
    paths = find_paths({"FIRSTLIGHT_HOME": str(tmp_path)})
    named = paths.named()
    own = {name: folder for name, folder in named.items() if name != "sample"}
    assert all(Path(folder).is_relative_to(tmp_path) for folder in own.values())
    for folder in (paths.work, paths.reference):
        assert folder.is_relative_to(tmp_path)


def test_without_it_the_systems_folders_are_used() -> None:
    assert all("firstlight" in folder for folder in find_paths({}).named().values())


def test_a_relative_home_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_paths({"FIRSTLIGHT_HOME": "here"}).data == tmp_path / "here" / "data"


def test_looking_makes_nothing(tmp_path: Path) -> None:
    find_paths({"FIRSTLIGHT_HOME": str(tmp_path / "new")}).named()
    assert not (tmp_path / "new").exists()


def test_the_sample_and_its_prompts_are_there() -> None:
    assert (find_paths().sample / "config.json").is_file()
    assert find_paths().sample_prompts.is_file()


@pytest.mark.parametrize("text", ["~nobody-of-this-name/model", "~nobody-of-this-name"])
def test_the_home_of_nobody_is_a_folder_that_is_not_there(text: str) -> None:
    with pytest.raises(ModelRefused, match="There is no folder ~nobody"):
        inspect_model(find_source(text))
    with pytest.raises(InputRefused, match="no folder and no deployment"):
        find_target(text)
    with pytest.raises(UsageError, match="a user who does not exist"):
        absolute(text)
    with pytest.raises(InputRefused, match="no schema file"):
        read_schema(text)
    assert complete_folder(text) == []
