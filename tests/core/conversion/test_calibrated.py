"""INT4 calibrated: the text it is rounded on, its plan, what it costs, and where it cannot be made."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.conversion.calibration_choice import calibration_choice, calibration_name
from firstlight_core.conversion.calibration_text import (
    OWN_ANSWERS,
    PASSAGE_CHARACTERS,
    PASSAGES,
    built_in_text,
    own_answers,
    read_calibration,
)
from firstlight_core.conversion.olive_config import run_config
from firstlight_core.conversion.plan import plan_conversion
from firstlight_core.conversion.preflight import check_room, look
from firstlight_core.errors import FirstlightError, InputRefused, ModelRefused, UsageError
from firstlight_core.estimate.calibrated_cost import calibration_ram, calibration_seconds, unfit
from firstlight_core.estimate.edited_size import edited_bytes
from firstlight_core.estimate.estimates import Room, estimate, estimates, form_of
from firstlight_core.measure.quality import GENERAL_PROMPTS
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.precision.calibration import QUESTIONS
from firstlight_core.precision.options import expected_of, options_for, with_options
from firstlight_core.precision.table import PRECISIONS, calibrates, find_precision
from firstlight_core.tuning.settings import builds

ROW = find_precision("int4-calibrated")
PLENTY = Room(memory=2**45, disk=2**45)


def write(folder: Path, content: str | bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# The text ---------------------------------------------------------------------------------------


def test_the_original_answers_questions_where_that_is_asked_for() -> None:
    text = read_calibration(calibration_choice("own-answers"))
    assert text == own_answers()
    assert (text.source, text.passages) == (OWN_ANSWERS, ())
    assert [turns[0]["content"] for turns in text.conversations] == list(QUESTIONS)
    assert len(set(QUESTIONS)) == len(QUESTIONS) == 24


def test_the_questions_are_not_those_that_drift_is_measured_on(sample: Path) -> None:
    prompts = (sample.parent / "prompts.jsonl").read_text()
    talks = [turns[0]["content"] for turns in built_in_text().conversations]
    for question in (*QUESTIONS, *talks):
        assert question not in prompts
        assert question not in GENERAL_PROMPTS


def test_the_built_in_text_needs_no_answers(sample: Path, tmp_path: Path) -> None:
    text = read_calibration(calibration_choice("built-in"))
    assert (text.source, text.sha256, text.passages) == ("built-in", "", ())
    assert {turns[-1]["role"] for turns in text.conversations} == {"assistant"}
    assert text.to_json()["further"] == []
    prompts = (sample.parent / "prompts.jsonl").read_text()
    assert not [turn for talk in text.conversations for turn in talk if turn["content"] in prompts]
    plan = plan_conversion(sample, tmp_path / "o", precision=ROW.key)
    assert plan.calibration == text
    assert not plan.answers
    assert "--calibration" not in plan.command
    asked_for = plan_conversion(
        sample, tmp_path / "o", precision=ROW.key, calibration="own-answers"
    )
    assert asked_for.answers
    assert asked_for.command[-2:] == ["--calibration", "own-answers"]
    assert asked_for.to_json()["calibration"] == {"source": OWN_ANSWERS, "prompts": 24}


def test_a_file_of_the_words_name_is_named_by_its_path(tmp_path: Path) -> None:
    assert calibration_choice(f"{tmp_path}/built-in") == tmp_path / "built-in"
    assert calibration_name(tmp_path / "built-in") == f"{tmp_path}/built-in"
    assert calibration_name(calibration_choice("built-in")) == "built-in"


def test_prompts_are_read_as_quality_reads_them(tmp_path: Path) -> None:
    lines = ["# mine", '{"prompt": "Hi", "keys": ["x"]}', '{"system": "S", "prompt": "Ho"}']
    text = read_calibration(write(tmp_path, "\n".join(lines)))
    assert text.source == str(tmp_path / "text.txt")
    assert len(text.sha256) == 64
    assert [len(turns) for turns in text.conversations] == [1, 2]
    json.dumps(text.to_json(), allow_nan=False)


def test_plain_text_is_cut_into_passages(tmp_path: Path) -> None:
    short = "A line.\n\nAnother one.\n\n"
    text = read_calibration(write(tmp_path, b"\xef\xbb\xbf" + (short + "x" * 3_000).encode()))
    assert text.passages[0].startswith("A line.\n\nAnother one.\n\nxxx")
    assert [len(p) for p in text.passages[:-1]] == [PASSAGE_CHARACTERS] * 2
    assert sum(len(p) for p in text.passages) >= 3_000
    assert not text.conversations


def test_a_long_file_is_thinned_out_evenly(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"prompt": f"question {n}"}) for n in range(1_000))
    questions = [
        turns[0]["content"] for turns in read_calibration(write(tmp_path, lines)).conversations
    ]
    assert len(questions) == PASSAGES
    assert questions[0] == "question 0"
    assert int(questions[-1].split()[1]) > 980


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "too little text"),
        (b"\n \n", "too little text"),
        (b"word " * 51, "too little text"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a\0b", "NUL"),
        (b'{"prompt": 3}', "line 1"),
        (b'{"prompt": "a"}\nnonsense', "line 2"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(FirstlightError, match=why):
        read_calibration(write(tmp_path, content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, sample: Path) -> None:
    with pytest.raises(InputRefused):
        plan_conversion(sample, tmp_path / "o", precision=ROW.key, calibration=tmp_path / "none")


# The plan ---------------------------------------------------------------------------------------


def test_the_plan_calibrates_before_it_builds(sample: Path, tmp_path: Path) -> None:
    plan = plan_conversion(sample, tmp_path / "out", precision=ROW.key)
    assert list(plan.run_config["passes"]) == ["calibrate", "build"]
    assert plan.run_config["passes"]["calibrate"]["group_size"] == 32
    assert plan.run_config["passes"]["calibrate"]["damp_percent"] == 0.1
    assert plan.calibration == built_in_text()
    assert plan.to_json()["calibration"] == {"source": "built-in", "prompts": 24}
    assert "Gptq" in plan.reason
    json.dumps(plan.to_json(), allow_nan=False)


def test_an_adapter_is_merged_before_olive_runs(sample: Path, tmp_path: Path) -> None:
    config = run_config(sample.parent / "adapter", ROW, base=sample)
    assert list(config["passes"]) == ["calibrate", "build"]
    assert config["input_model"]["adapter_path"] == str(sample.parent / "adapter")


def test_the_users_text_is_named_in_the_command(sample: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "Some text. " * 30)
    plan = plan_conversion(sample, tmp_path / "o", precision=ROW.key, calibration=path)
    assert plan.command[-2:] == ["--calibration", str(path)]
    assert plan.calibration is not None and plan.calibration.passages == (
        ("Some text. " * 30).strip(),
    )


def test_only_a_calibrated_row_takes_a_text(sample: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "Some text.")
    for row in PRECISIONS:
        assert calibrates(run_config(sample, row)) is row.calibrated
        if not row.calibrated:
            assert plan_conversion(sample, tmp_path / "o", precision=row.key).calibration is None
            with pytest.raises(UsageError, match="not rounded on a text"):
                plan_conversion(sample, tmp_path / "o", precision=row.key, calibration=path)


def test_a_configuration_that_calibrates_belongs_to_its_row(sample: Path, tmp_path: Path) -> None:
    config = run_config(sample, ROW)
    edited = plan_conversion(sample, tmp_path / "o", precision=ROW.key, config=config)
    assert edited.calibration is not None
    assert edited.expected == ROW.expected
    with pytest.raises(UsageError, match="which INT8 does not"):
        plan_conversion(sample, tmp_path / "o", precision="int8", config=config)


def test_its_options_are_the_blocks_of_the_layers_and_the_head(sample: Path) -> None:
    keys = [option.key for option in options_for(ROW, tied=True)]
    assert keys == ["block_size", "accuracy_level", "algorithm", "head_block_size"]
    own = run_config(sample, ROW)
    small = with_options(own, {"algorithm": "k_quant"}, precision=ROW, tied=True)
    assert expected_of(small)["bits"] == [4]
    wider = with_options(own, {"block_size": 64}, precision=ROW, tied=True)
    assert wider["passes"]["calibrate"]["group_size"] == 64
    assert wider["passes"]["build"] == own["passes"]["build"]
    assert expected_of(wider)["block_size"] == [32, 64]
    inspection = inspect_model(sample)
    document = {**inspection.to_json(), "estimates": estimates(inspection)}
    size = document["estimates"][ROW.key]["bytes"]
    assert edited_bytes(document, ROW, own) == size
    head = 2048 * 256 // 32 * (16 + 0.5)
    assert edited_bytes(document, ROW, small) == pytest.approx(size - head, abs=2)
    int4 = find_precision("int4")
    fast = with_options(
        run_config(sample, int4), {"head_block_size": 128}, precision=int4, tied=True
    )
    assert fast["passes"] == run_config(sample, find_precision("int4-compact"))["passes"]
    assert expected_of(fast) == find_precision("int4-compact").expected
    compact = document["estimates"]["int4-compact"]["bytes"]
    assert edited_bytes(document, int4, fast) == pytest.approx(compact, abs=2)


def test_blocks_need_not_be_whole(sample: Path, tmp_path: Path) -> None:
    blocks = [choice.value for choice in options_for(ROW, tied=True)[0].choices]
    assert blocks == [32, 64, 128]
    config = with_options(run_config(sample, ROW), {"block_size": 128}, precision=ROW, tied=True)
    plan = plan_conversion(sample, tmp_path / "o", precision=ROW.key, config=config)
    before = look(plan)

    def check(columns: int) -> None:
        structure = replace(before.inspection.structure, matrices=((columns, 576),))
        inspection = replace(before.inspection, structure=structure)
        check_room(plan, replace(before, inspection=inspection), tmp_path)

    check(576)
    check(34)
    with pytest.raises(ModelRefused, match="two to a byte, and this model has matrices of 577"):
        check(577)


def test_tuning_tries_larger_blocks_and_a_smaller_head() -> None:
    own = {
        "block_size": 32,
        "head_block_size": 32,
        "algorithm": "k_quant_last",
        "accuracy_level": 4,
    }
    tried = builds(ROW, own, tied=True)
    assert [build.options for build in tried] == [
        {},
        {"block_size": 64},
        {"block_size": 128},
        {"block_size": 128, "algorithm": "k_quant"},
        {"block_size": 128, "algorithm": "k_quant", "head_block_size": 128},
        {"accuracy_level": 1},
    ]
    assert [build.gentler for build in tried] == [False] * 6
    assert tried[3].label == "INT4 calibrated, blocks of 128, 4-bit head"
    assert tried[4].to_json()["head_block_size"] == 128
    int4 = find_precision("int4")
    own = {"block_size": 128, "head_block_size": 32, "algorithm": "k_quant", "accuracy_level": 4}
    faster = [build for build in builds(int4, own, tied=True) if "head_block_size" in build.options]
    assert [build.label for build in faster] == ["INT4, head in blocks of 128"]


# What it costs ----------------------------------------------------------------------------------


def like(inspection: Inspection, *, layers: int, hidden: int, wide: int, vocab: int) -> Inspection:
    """The sample's inspection with the shape of a larger plain decoder."""
    rows = layers * (4 * hidden + 2 * wide)
    structure = replace(
        inspection.structure,
        embedding=vocab * hidden,
        body=layers * (4 * hidden * hidden + 3 * hidden * wide),
        matrices=((hidden, rows), (wide, layers * hidden)),
    )
    shape = replace(inspection.shape, layers=layers, hidden=hidden, intermediate=wide, vocab=vocab)
    return replace(inspection, shape=shape, structure=structure)


def test_a_larger_model_costs_more_than_in_proportion(sample: Path) -> None:
    inspection = inspect_model(sample)
    small = like(inspection, layers=30, hidden=576, wide=1536, vocab=49_152)
    large = like(inspection, layers=32, hidden=4096, wide=14_336, vocab=128_256)
    # Measured: 12.7 s on two quiet cores.
    assert 9 < calibration_seconds(small) < 16
    answered = calibration_seconds(small, answers=True)
    assert calibration_seconds(small) < 0.6 * answered
    assert calibration_seconds(large) > 30 * calibration_seconds(small)
    assert calibration_ram(large) > 6 * large.parameters


def test_what_takes_hours_is_not_offered(sample: Path) -> None:
    inspection = inspect_model(sample)
    large = like(inspection, layers=80, hidden=8192, wide=28_672, vocab=128_256)
    row = estimate(large, ROW, room=PLENTY)
    assert (row["available"], row["blocked_by"]) == (False, "time")
    assert "would take about" in row["reason"]
    assert form_of(find_precision("int4"), large, room=PLENTY) is find_precision("int4").nearest
    assert estimates(large, room=PLENTY)["int4"]["available"]
    assert estimate(inspection, ROW, room=PLENTY)["available"]


def test_it_is_not_offered_where_the_builder_misreads_it(sample: Path) -> None:
    inspection = inspect_model(sample)
    other = replace(inspection, shape=replace(inspection.shape, architecture="Phi3ForCausalLM"))
    assert "Phi3ForCausalLM" in unfit(other, ROW)
    odd = replace(inspection, structure=replace(inspection.structure, matrices=((47, 10),)))
    assert "47 columns" in unfit(odd, ROW)
    assert estimate(odd, ROW, room=PLENTY)["blocked_by"] == "model"
    for row in PRECISIONS:
        assert not unfit(inspection, row)
        if not row.calibrated:
            assert not unfit(other, row)
            assert not unfit(odd, row)


# The child's side -------------------------------------------------------------------------------


class Words:
    """A tokenizer of one token a word."""

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [len(word) for word in text.split()]}


@pytest.mark.slow
def test_a_short_text_is_topped_up_and_a_long_one_cut(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from firstlight_core.jobs import calibrated_int4

    monkeypatch.setattr(calibrated_int4, "load_tokenizer", lambda source, base: Words())
    messages: list[str] = []

    class ChatBackend(calibrated_int4.Calibrator):
        def _answered(
            self, network: Any, tokenizer: Any, text: Any, conversations: Any, words: str
        ) -> list[list[int]]:
            messages.append(words)
            return [[1] * 50 for _ in conversations]

    config = {"input_model": {"model_path": str(sample)}}
    further = [[{"role": "user", "content": "?"}]] * 9
    request = {
        "source": "x",
        "conversations": [],
        "tokens": 400,
        "longest_answer": 8,
        "sha256": "0",
        "further": further,
    }
    calibrator = ChatBackend(lambda event: None)
    calibrator.begin({**request, "passages": ["word " * 300]}, config)
    assert list(map(len, calibrator._rows(None))) == [300, 50, 50]
    document = calibrator.document
    assert document is not None
    assert (document["tokens"], document["prompts"], document["added_tokens"]) == (300, 1, 100)
    assert "The text is short" in messages[-1]
    calibrator.begin({**request, "passages": ["word " * 300] * 4}, config)
    assert len(calibrator._rows(None)) == 2
    assert calibrator.document is not None
    assert calibrator.document["tokens"] == 600
    assert "added_tokens" not in calibrator.document
