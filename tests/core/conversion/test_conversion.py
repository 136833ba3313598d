"""Conversion around a stand-in for Olive: what counts is its exit code and the files it leaves."""

import asyncio
import contextlib
import copy
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from firstlight_core.artifact.publishing import open_staging, read_manifest, restore_previous
from firstlight_core.conversion.convert import convert, convert_many
from firstlight_core.conversion.olive_config import checked_config
from firstlight_core.conversion.plan import plan_conversion
from firstlight_core.conversion.preflight import check_room, look
from firstlight_core.errors import (
    CheckFailed,
    FirstlightError,
    InputRefused,
    JobFailed,
    ModelRefused,
    StateProblem,
    ToolchainMissing,
    UsageError,
)
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.process.events import Event, LogLine, Stage

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

GOOD = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, {root!r})
from tests.support import faultkit
out = json.load(open(sys.argv[sys.argv.index("--config") + 1]))["output_dir"]
faultkit.tiny_genai(out)
import os
os.unlink(out + "/inference_model.json")
open(out + "/model_config.json", "w").write("/paths/of/the/work/folder")
"""


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str], str]:
    """`fake(program)`: a command line that runs a Python program in place of Olive."""

    def write(program: str) -> str:
        path = tmp_path / "a fake olive.py"
        path.write_text(program)
        return shlex.join([sys.executable, str(path)])

    return write


@pytest.fixture
def good(fake: Callable[[str], str]) -> str:
    return fake(GOOD.format(root=str(ROOT)))


def run(source: Path, output: Path, **options: Any) -> dict[str, Any]:
    return asyncio.run(convert(source, output, **options))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_foreign_olive_is_called_as_promised_and_its_files_published(
    sample: Path, tmp_path: Path, fake: Callable[[str], str]
) -> None:
    seen = tmp_path / "seen"
    note = f"\nopen({str(seen)!r}, 'w').write(' '.join(sys.argv[1:3]))\n"
    command = fake(GOOD.format(root=str(ROOT)) + note)
    document = run(sample, tmp_path / "out", olive=command)
    assert seen.read_text() == "run --config"
    assert document["smoke"]["tokens"] == 8
    assert document["peak_rss_bytes"] > 0
    assert document["command"][:2] == ["firstlight", "convert"]
    assert "model_config.json" not in names(tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None
    assert sorted({*manifest["files"], "firstlight.json"}) == names(tmp_path / "out")


@pytest.mark.slow
def test_environment_variable_brings_the_foreign_olive(
    sample: Path, tmp_path: Path, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_OLIVE", good)
    assert run(sample, tmp_path / "out")["precision"] == "int4"


@pytest.mark.slow
def test_second_conversion_keeps_the_first_for_undo(
    sample: Path, tmp_path: Path, good: str
) -> None:
    output = tmp_path / "out"
    run(sample, output, olive=good, precision="int8")
    run(sample, output, olive=good, precision="int4")
    assert names(tmp_path) == ["a fake olive.py", "home", "out"]
    assert restore_previous(output)
    manifest = read_manifest(output)
    assert manifest is not None
    assert manifest["precision"] == "int8"


FAKES: dict[str, tuple[str, type[FirstlightError], str]] = {
    "nothing": ("", JobFailed, r"no genai_config\.json and no \*\.onnx"),
    "exit 3": ("raise SystemExit(3)", JobFailed, "exit code 3"),
    "killed": ("import os; os.kill(os.getpid(), 9)", JobFailed, "signal 9"),
    "garbage": (
        "import json,sys\nd=json.load(open(sys.argv[3]))['output_dir']\n"
        "for n in ('model.onnx','genai_config.json'): open(d+'/'+n,'wb').write(b'\\x00garbage')",
        CheckFailed,
        "not an ONNX graph",
    ),
    "cut weights": (
        GOOD.format(root=str(ROOT)) + "\nimport onnx\nm=onnx.load(out+'/model.onnx')\n"
        "onnx.save(m,out+'/model.onnx',save_as_external_data=True,location='w.data',size_threshold=0)\n"
        "os.truncate(out+'/w.data',10)",
        CheckFailed,
        "shorter than the graph",
    ),
    "link": (
        GOOD.format(root=str(ROOT)) + "\nos.symlink('/etc/passwd', out+'/passwd')",
        InputRefused,
        "not a regular file",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(FAKES))
def test_whatever_olive_leaves_only_a_speaking_artifact_is_published(
    kind: str, sample: Path, tmp_path: Path, fake: Callable[[str], str], clean_children: None
) -> None:
    program, error, why = FAKES[kind]
    with pytest.raises(error, match=why) as caught:
        run(sample, tmp_path / "new" / "out", olive=fake(program))
    assert caught.value.hint
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["/no/such/program", "'unclosed", "   "])
def test_unusable_command_line_is_a_toolchain_error(
    sample: Path, tmp_path: Path, command: str
) -> None:
    with pytest.raises(ToolchainMissing):
        run(sample, tmp_path / "out", olive=command)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_flood_of_output_is_survived(
    sample: Path, tmp_path: Path, fake: Callable[[str], str]
) -> None:
    flood = (
        "\nimport sys\nfor i in range(3000): sys.stderr.write('\\r%d%%' % i)\n"
        "sys.stdout.write('x' * 3_000_000)\n"
        "for i in range(200): sys.stdout.write('y\\n' * 50_000)\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe\\x1b]52;c;UFdORUQ=\\x07\\n')\n"
    )
    events: list[Event] = []
    document = run(
        sample,
        tmp_path / "out",
        olive=fake(GOOD.format(root=str(ROOT)) + flood),
        on_event=events.append,
    )
    assert document["smoke"]["tokens"] == 8
    lines = [event.text for event in events if isinstance(event, LogLine)]
    assert len(lines) < 60_000
    assert max(map(len, lines)) <= 4_100
    assert not any("\x1b" in line for line in lines)


@pytest.mark.slow
def test_cancel_ends_everything_within_a_second(
    sample: Path, tmp_path: Path, fake: Callable[[str], str], clean_children: None
) -> None:
    """The stand-in ignores SIGTERM and has a child of its own."""
    hang = fake(
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '1000'])\nprint('hanging', flush=True)\ntime.sleep(1000)"
    )

    # An earlier test may have left a helper of Python's own, such as a resource tracker.
    before = psutil.Process().children(recursive=True)

    async def cancel() -> tuple[float, list[psutil.Process]]:
        task: asyncio.Task[Any]
        begun = 0.0
        children: list[psutil.Process] = []

        def on_event(event: Event) -> None:
            nonlocal begun, children
            if isinstance(event, LogLine) and event.text == "hanging":
                listed = psutil.Process().children(recursive=True)
                children = [child for child in listed if child not in before]
                begun = time.perf_counter()
                task.cancel()

        task = asyncio.create_task(convert(sample, tmp_path / "out", olive=hang, on_event=on_event))
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return time.perf_counter() - begun, children

    took = list[float]()
    # Other programs may hold the machine once, and twice.
    while not took or (took[-1] >= 1.0 and len(took) < 5):
        seconds, children = asyncio.run(cancel())
        took.append(seconds)
        assert len(children) >= 3
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive
    assert took[-1] < 1.0
    assert names(tmp_path) == ["a fake olive.py", "home"]


@pytest.mark.slow
def test_one_failed_precision_does_not_stop_the_others(
    sample: Path, tmp_path: Path, fake: Callable[[str], str]
) -> None:
    program = (
        GOOD.format(root=str(ROOT))
        + "\nif 'int8' in open(sys.argv[3]).read(): os.unlink(out + '/model.onnx')"
    )
    messages: list[tuple[str, bool]] = []
    document = asyncio.run(
        convert_many(
            sample,
            {key: tmp_path / key for key in ("int4", "int8", "fp32")},
            olive=fake(program),
            on_done=lambda key, outcome: messages.append((key, "error" in outcome)),
        )
    )
    assert messages == [("int4", False), ("int8", True), ("fp32", False)]
    assert not document["ok"]
    assert [failure["precision"] for failure in document["failures"]] == ["int8"]
    assert not (tmp_path / "int8").exists()


@pytest.mark.slow
def test_two_on_one_output_one_wins_and_the_other_is_told(
    sample: Path, tmp_path: Path, good: str
) -> None:
    output = tmp_path / "out"
    with open_staging(output), pytest.raises(StateProblem, match="Another Firstlight"):
        run(sample, output, olive=good)
    assert run(sample, output, olive=good)["artifact"] == str(output)


@pytest.mark.slow
def test_stages_are_told_in_order(sample: Path, tmp_path: Path, good: str) -> None:
    events: list[Event] = []
    pids: list[int] = []
    run(sample, tmp_path / "out", olive=good, on_event=events.append, started=pids.append)
    stages = [event.name for event in events if isinstance(event, Stage)]
    assert stages == ["start", "olive", "check", "publish"]
    assert len(pids) == 1


def test_source_is_never_touched_and_output_inside_it_refused(
    sample: Path, tmp_path: Path, good: str
) -> None:
    with pytest.raises(InputRefused, match="inside the source"):
        run(sample, sample / "out", olive=good)
    with pytest.raises(ModelRefused):
        run(tmp_path / "missing", tmp_path / "out", olive=good)
    with pytest.raises(UsageError, match="int9"):
        run(sample, tmp_path / "out", precision="int9", olive=good)
    with pytest.raises(UsageError):
        run(sample, Path("\0"), olive=good)


def test_plan_says_what_the_course_says_and_what_is_run(sample: Path, tmp_path: Path) -> None:
    plan = plan_conversion(sample, tmp_path / "out", precision="int4", method="command")
    assert plan.course_command == [
        "olive",
        "auto-opt",
        "--model_name_or_path",
        str(sample),
        "--device",
        "cpu",
        "--provider",
        "CPUExecutionProvider",
        "--use_model_builder",
        "--precision",
        "int4",
        "--output_path",
        str(tmp_path / "out"),
        "--log_level",
        "1",
    ]
    settings = plan.course_config["passes"]["builder"]["config"]
    assert settings["quantization_config"] == {"block_size": 128, "is_symmetric": False}
    assert plan.run_config["passes"]["build"]["extra_options"] == {
        "hf_remote": False,
        "prune_lm_head": True,
    }
    assert "auto-opt is deprecated" in plan.reason
    assert plan.command[-2:] == ["--method", "command"]
    half = plan_conversion(sample, tmp_path / "out", precision="fp16")
    assert list(half.run_config["passes"]) == ["build", "half"]
    assert "cannot decode" in half.reason


def test_adapter_plan_merges_first(sample: Path, tmp_path: Path) -> None:
    plan = plan_conversion(sample.parent / "adapter", tmp_path / "out")
    assert plan.base == sample
    assert list(plan.run_config["passes"]) == ["calibrate", "build"]
    assert plan.run_config["input_model"]["adapter_path"] == str(sample.parent / "adapter")
    nearest = plan_conversion(sample.parent / "adapter", tmp_path / "out", calibration="none")
    assert list(nearest.run_config["passes"]) == ["build"]
    assert nearest.run_config["input_model"] == plan.run_config["input_model"]


BAD_CONFIGS: list[tuple[Any, str]] = [
    ([], "not a JSON object"),
    ({"surprise": 1}, "'surprise'"),
    ({"input_model": {"type": "OnnxModel"}}, "HfModel"),
    ({"input_model": {"type": "HfModel", "model_path": "/elsewhere"}}, "model_path must be"),
    ({"input_model": {"type": "HfModel", "model_path": 3}}, "model_path must be"),
    ({"input_model": "{source}"}, "HfModel"),
    ({"passes": {}}, "at least one pass"),
    ({"passes": {"a": {"type": "GptqQuantizer"}}}, "passes.a.type"),
    ({"passes": {"a": 3}}, "passes.a.type"),
    ({"passes": {"a": {"type": "OnnxFloatToFloat16"}}}, "must be a ModelBuilder"),
    (
        {"input_model": {"type": "HfModel", "load_kwargs": {"trust_remote_code": True}}},
        "foreign code",
    ),
    ({"passes": {"a": {"type": "ModelBuilder", "user_script": "x.py"}}}, "foreign code"),
]


@pytest.mark.parametrize(("change", "why"), BAD_CONFIGS)
def test_edited_configuration_is_validated(
    change: Any, why: str, sample: Path, tmp_path: Path
) -> None:
    config = plan_conversion(sample, tmp_path / "out").run_config
    edited = {**config, **change} if isinstance(change, dict) else change
    with pytest.raises(UsageError, match=why) as caught:
        checked_config(edited, source=sample)
    named = list(change) if isinstance(change, dict) else [""]
    assert caught.value.field.split(".")[0] in named


def test_a_configuration_of_other_bits_is_not_published_under_the_rows_name(
    sample: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for row in PRECISIONS:
        laid_out = plan_conversion(sample, out, precision=row.key)
        for config in (laid_out.run_config, laid_out.course_config):
            assert plan_conversion(sample, out, precision=row.key, config=config).edited
        others = {"int4", "int8", "fp32"} - {row.builder_precision}
        for other in others:
            changed = copy.deepcopy(laid_out.run_config)
            changed["passes"]["build"]["precision"] = other
            with pytest.raises(UsageError, match=f"builds {other}, which is not {row.label}"):
                plan_conversion(sample, out, precision=row.key, config=changed)


def test_course_configuration_is_valid_and_loses_its_folders(sample: Path, tmp_path: Path) -> None:
    course = plan_conversion(sample, tmp_path / "out").course_config
    checked = checked_config(course, source=sample)
    assert "output_dir" not in checked
    assert "cache_dir" not in checked
    assert checked["passes"] == course["passes"]


def test_config_belongs_to_its_method(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        plan_conversion(sample, tmp_path / "out", method="command", config={})
    with pytest.raises(UsageError):
        plan_conversion(sample, tmp_path / "out", method="guess")


def test_a_source_is_inspected_once_for_its_plans_and_again_when_it_changes(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []

    def counted(folder: Path) -> Inspection:
        folders.append(folder)
        return inspect_model(folder)

    monkeypatch.setattr("firstlight_core.conversion.inspected_source.inspect_model", counted)
    source = Path(shutil.copytree(sample, tmp_path / "source"))
    plan = plan_conversion(source, tmp_path / "int4")
    other = plan_conversion(
        source, tmp_path / "compact", precision="int4-compact", inspected=plan.inspected
    )
    before = look(plan)
    assert look(other, before) is before
    assert folders == [source]
    config = source / "config.json"
    config.write_text(config.read_text() + "\n")
    assert look(other, before) is not before
    assert folders == [source, source]


def test_force_overrules_estimates_only(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from firstlight_core.errors import OutOfMemory
    from firstlight_core.estimate import estimates

    plan = plan_conversion(sample, tmp_path / "out")
    before = look(plan)
    monkeypatch.setattr(estimates, "available_memory", lambda: 10_000_000)
    with pytest.raises(OutOfMemory, match="of memory") as caught:
        check_room(plan, before, tmp_path)
    assert "smaller model" in caught.value.hint
    check_room(plan, before, tmp_path, force=True)


def test_heavy_packages_stay_out_of_this_process(sample: Path, tmp_path: Path) -> None:
    import subprocess

    program = (
        "import sys\nfrom firstlight_core.conversion.convert import convert, plan_conversion\n"
        f"plan_conversion({str(sample)!r}, {str(tmp_path / 'out')!r})\n"
        "heavy = {'olive', 'torch', 'transformers', 'onnx', 'onnxruntime', 'onnxruntime_genai'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ})
