"""`--base`: an adapter whose base was named by hand, once, is understood by every verb and by run.toml."""

import json
import shutil
from pathlib import Path

import pytest

from firstlight_core.conversion.plan import plan_conversion
from firstlight_core.errors import ModelRefused, UsageError
from firstlight_core.model.adapter_bases import remembered_base
from firstlight_core.model.base_choice import choose_base
from firstlight_core.session import Session
from firstlight_core.workflow.plan import Plan, check_files, plan_of
from firstlight_core.workflow.run_file import read_run_toml, write_plan
from tests.support.program import run_firstlight as firstlight
from tests.support.schemas import checked


@pytest.fixture
def adapter(sample: Path, tmp_path: Path) -> Path:
    """The sample's adapter, away from its base."""
    return Path(shutil.copytree(sample.parent / "adapter", tmp_path / "far" / "adapter"))


@pytest.mark.slow
def test_convert_takes_the_base_and_remembers_it(
    adapter: Path, sample: Path, tmp_path: Path
) -> None:
    words = ("convert", str(adapter), "-o", str(tmp_path / "out"), "--dry-run", "--json")
    unknown = firstlight(*words)
    assert unknown.returncode == 1
    assert "--base FOLDER" in json.loads(unknown.stdout)["error"]["hint"]
    for more in (("--base", "sample"), ()):
        done = firstlight(*words, *more)
        document = checked(json.loads(done.stdout))
        assert done.returncode == 0, document
        assert document["base"] == str(sample)
        assert document["run_config"]["input_model"]["adapter_path"] == str(adapter)
        assert document["command"][-2:] == ["--base", str(sample)]


def test_a_base_that_does_not_fit_is_not_remembered(
    adapter: Path, sample: Path, tmp_path: Path
) -> None:
    wrong = Path(shutil.copytree(sample, tmp_path / "wrong"))
    config = json.loads((wrong / "config.json").read_text())
    (wrong / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 99}))
    with pytest.raises(ModelRefused):
        choose_base(adapter, wrong)
    with pytest.raises(UsageError, match="no LoRA adapter"):
        choose_base(sample, sample)
    assert remembered_base(adapter) is None


def test_a_link_to_the_adapter_leads_to_the_same_base(
    adapter: Path, sample: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(adapter)
    choose_base(link, sample)
    assert plan_conversion(link, tmp_path / "out").base == sample
    assert plan_conversion(adapter, tmp_path / "out").base == sample


def test_run_toml_names_the_base(
    adapter: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_base(adapter, sample)
    plan = plan_of(Session(source=str(adapter), precisions=("int4",)))
    assert plan.base == sample
    file = write_plan(tmp_path / "run.toml", plan)
    assert read_run_toml(file) == plan
    # Another machine: nothing is remembered there.
    monkeypatch.setenv("FIRSTLIGHT_HOME", str(tmp_path / "other"))
    assert remembered_base(adapter) is None
    check_files(read_run_toml(file))
    assert remembered_base(adapter) == sample


def test_a_base_belongs_to_an_adapter(sample: Path) -> None:
    with pytest.raises(UsageError, match="no LoRA adapter"):
        check_files(Plan(source=sample, base=sample))


@pytest.mark.parametrize("verb", ["quality", "tune"])
def test_every_verb_that_reads_a_source_takes_it(verb: str, adapter: Path) -> None:
    words = {
        "quality": (str(adapter), "--reference", str(adapter)),
        "tune": (str(adapter), "--repeats", "0"),
    }[verb]
    done = firstlight(verb, *words, "--base", "sample")
    # What follows is refused for its own reason; the base was understood before.
    assert done.returncode in (1, 2) and "No such option" not in done.stderr
    assert remembered_base(adapter) is not None
