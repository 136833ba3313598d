"""llama.cpp beside the best setting: found, asked as it wants to be, measured in turns, left out when it fails."""

import sys
from pathlib import Path

import psutil
import pytest

from firstlight_core.errors import InputRefused, JobFailed
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.tuning.llama_bench import find_model, find_program
from firstlight_core.tuning.peer import find_peer
from firstlight_core.tuning.settings import Threads
from firstlight_core.tuning.tune import tune
from tests.support.fake_llama_bench import fake_llama_bench
from tests.support.tiny_models import tiny_genai

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake is a script")
ONE = Threads(count=1)


def test_the_program_is_named_or_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, _, _ = fake_llama_bench(tmp_path / "bin", prefill_tps=1, decode_tps=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program(None) is None
    assert find_program(program) == find_program(program.parent) == str(program)
    with pytest.raises(InputRefused, match="no program"):
        find_program(tmp_path / "none")
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_program(None) == str(program)


def test_the_model_is_named_or_the_only_one_beside_the_weights(tmp_path: Path) -> None:
    _, model, _ = fake_llama_bench(tmp_path / "source", prefill_tps=1, decode_tps=1)
    assert find_model(None, tmp_path) is None
    assert find_model(None, model.parent) == find_model(model, None) == model
    (model.parent / "other.gguf").write_bytes(b"GGUF")
    assert find_model(None, model.parent) is None
    with pytest.raises(InputRefused, match="no GGUF file"):
        find_model(Path(__file__), None)
    with pytest.raises(InputRefused, match="cannot be read"):
        find_model(tmp_path / "none.gguf", None)


async def test_only_what_was_asked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, model, _ = fake_llama_bench(tmp_path / "bin", prefill_tps=1e4, decode_tps=1e4)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await find_peer(None, None, None, lambda event: None) == (None, [])
    with pytest.raises(InputRefused, match="no llama-bench on the PATH"):
        await find_peer(None, model, None, lambda event: None)
    with pytest.raises(InputRefused, match="none lies beside the weights"):
        await find_peer(program, None, None, lambda event: None)
    monkeypatch.setenv("PATH", str(program.parent))
    peer, notes = await find_peer(None, None, None, lambda event: None)
    assert peer is None
    assert "--gguf FILE" in notes[0]
    peer, notes = await find_peer(None, model, None, lambda event: None)
    assert peer is not None
    assert (peer.version, peer.label, peer.depth) == ("b11434", "llama 135M Q4_0", True)
    broken = tmp_path / "broken"
    program, model, _ = fake_llama_bench(broken, prefill_tps=1, decode_tps=1)
    program.write_text(f"#!{sys.executable}\nprint('illegal instruction'); exit(3)\n")
    with pytest.raises(JobFailed, match="left with 3: illegal instruction"):
        await find_peer(program, model, None, lambda event: None)
    monkeypatch.setenv("PATH", str(broken))
    peer, notes = await find_peer(None, None, broken, lambda event: None)
    assert peer is None
    assert notes[0].startswith("llama.cpp was left out: llama-bench left with 3")


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_it_is_measured_in_turns_with_the_best(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    program, model, calls = fake_llama_bench(tmp_path / "bin", prefill_tps=50, decode_tps=10)
    document = await tune(
        folder,
        candidates=(ONE,),
        prompt_tokens=(8, 16),
        new_tokens=8,
        repeats=5,
        llama_bench=program,
        gguf=model,
        watch=InterferenceWatch(busy=lambda: 0.0),
    )
    peer = document["peer"]
    assert (peer["name"], peer["version"], peer["model"]) == ("llama.cpp", "b11434", str(model))
    assert [row["prompt_tokens"] for row in peer["by_length"]] == [8, 16]
    each = peer["by_length"][1]
    assert each["prefill_tps"]["samples"] == pytest.approx([50] * 5)
    # The prefill gives the first token.
    assert each["total_s"]["median"] == pytest.approx(16 / 50 + 7 / 10)
    assert peer["gain"]["answer"]["ratio"] > 1
    commands = calls.read_text().splitlines()
    # Once to see whether it works, then prefill and decode of each round and length.
    assert len(commands) == 1 + 5 * 2 * 2
    assert " -p 16 -n 0 " in commands[3]
    assert " -p 0 -n 8 -d 16 " in commands[4]


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_the_tuning_goes_on_without_one_that_fails(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    program, model, _ = fake_llama_bench(
        tmp_path / "bin", prefill_tps=1e4, decode_tps=1e4, fails_after=3
    )
    document = await tune(
        folder,
        candidates=(ONE,),
        prompt_tokens=8,
        new_tokens=8,
        repeats=5,
        llama_bench=program,
        gguf=model,
        watch=InterferenceWatch(busy=lambda: 0.0),
    )
    assert "peer" not in document
    (note,) = document["notes"]
    assert note.startswith("llama.cpp, llama 135M Q4_0 was left out: llama-bench left with 1")
    assert "failed to decode" in note
    assert document["baseline"]["rounds"] == 5


def test_the_time_of_the_peer_is_not_that_of_other_programs() -> None:
    clock, busy = [0.0], [0.0]
    watch = InterferenceWatch(
        awake=lambda: clock[0],
        whole=lambda: clock[0],
        busy=lambda: busy[0],
        ours=lambda pids: 0.0,
        processes=dict,
    )
    cores = psutil.cpu_count() or 1
    watch.begin([1])
    clock[0] += 10
    with watch.paused():
        clock[0] += 10
        busy[0] += 10 * cores
    watch.end()
    assert watch.notes() == []
    # What is busy beside our own engines still counts.
    clock[0] += 10
    busy[0] += 10 * cores
    watch.end()
    assert "Void: other programs" in watch.notes()[0]
