"""The five checks as pure functions, and the prompts file with its errors."""

from pathlib import Path
from typing import Any

import pytest

from firstlight_core.errors import InputRefused
from firstlight_core.measure.drift_words import closeness, describe_drift, kl_text
from firstlight_core.measure.quality_checks import (
    EdgeCase,
    Recorded,
    answer_format,
    consistent_speed,
    domain_answers,
    edge_cases,
    memory_leak,
    repetition,
)
from firstlight_core.measure.quality_prompts import (
    content_fault,
    format_fault,
    load_prompts,
    read_prompt,
    schema_fault,
)
from firstlight_core.measure.quality_verdict import give_verdict
from firstlight_core.paths import find_paths

MB = 2**20


def recorded(text: str, finish: str = "stop", **prompt: Any) -> Recorded:
    parsed = read_prompt({"prompt": "?", **prompt})
    return Recorded(prompt=parsed, answer={"text": text, "finish_reason": finish})


def test_domain_answers_pass_at_the_share_and_fail_below() -> None:
    right = recorded("It has 4 bits.", keys=["4 BITS"])
    wrong = recorded("No idea.", keys=["4 bits"])
    assert domain_answers([right] * 4 + [wrong]).status == "pass"
    failed = domain_answers([right] * 3 + [wrong])
    assert failed.status == "fail"
    assert failed.evidence["right"] == 3
    assert failed.evidence["faults"][0]["fault"] == "lacks '4 bits'"


def test_domain_answers_without_expectations_need_you() -> None:
    assert domain_answers([]).status == "not-run"
    check = domain_answers([recorded("Hello")])
    assert check.status == "needs-you"
    assert check.evidence["answers"] == [{"prompt": "?", "answer": "Hello"}]


@pytest.mark.parametrize(
    ("ratings", "status"), [([4, 3], "pass"), ([5], "pass"), ([3, 3, 4], "fail")]
)
def test_ratings_from_the_chat_judge_where_nothing_is_expected(
    ratings: list[int], status: str
) -> None:
    check = domain_answers([recorded("Hello")], ratings=ratings)
    assert (check.status, check.evidence["ratings"]) == (status, ratings)
    assert "of 5 (3.5 needed)" in check.evidence["summary"]


def test_ratings_and_expectations_are_both_heard() -> None:
    right, wrong = recorded("4 bits", keys=["4 bits"]), recorded("no", keys=["4 bits"])
    assert domain_answers([right], ratings=[5]).status == "pass"
    poor = domain_answers([right], ratings=[1, 2])
    assert poor.status == "needs-you"
    assert "1 of 1 answers are as expected" in poor.evidence["summary"]
    assert "You rated 2 answers 1.5 of 5" in poor.evidence["summary"]
    assert domain_answers([wrong], ratings=[5, 5]).status == "fail"


def test_an_error_counts_as_a_wrong_answer() -> None:
    broken = Recorded(prompt=read_prompt({"prompt": "?", "text": "x"}), error="too long")
    assert domain_answers([broken]).evidence["faults"][0]["fault"] == "too long"


@pytest.mark.parametrize(
    ("expected", "answer", "fault"),
    [
        ({"text": "Four  bits."}, "four bits.", None),
        ({"text": "Four"}, "Five", "is not 'Four'"),
        ({"regex": r"\b4\b"}, "It is 4.", None),
        ({"regex": r"^\d+$"}, "four", r"does not match '^\\d+$'"),
        ({"keys": {"any": ["a", "b"]}}, "xBx", None),
        ({"keys": {"any": ["a", "b"]}}, "xyz", "has none of 'a', 'b'"),
        ({"keys": {"all": ["a"], "any": ["b", "c"]}}, "a c", None),
    ],
)
def test_content(expected: dict[str, Any], answer: str, fault: str | None) -> None:
    assert content_fault(read_prompt({"prompt": "?", **expected}), answer) == fault


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ('{"name": "x", "bits": 4}', None),
        ('```json\n{"name": "x", "bits": 4}\n```', None),
        ("four", "is not JSON"),
        pytest.param("[" * 100_000, "is not JSON", id="deep"),
        ('{"name": "x"}', "the answer lacks 'bits'"),
        ('{"name": "x", "bits": true}', "the answer.bits is no integer"),
        ('{"name": "x", "bits": 4, "tags": ["a", 1]}', "the answer.tags[1] is no string"),
        ('{"name": "y", "bits": 4}', "the answer.name is not one of the allowed values"),
        ("[]", "the answer is no object"),
    ],
)
def test_schema(answer: str, fault: str | None) -> None:
    schema = {
        "type": "object",
        "required": ["name", "bits"],
        "properties": {
            "name": {"enum": ["x"]},
            "bits": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    }
    assert format_fault(read_prompt({"prompt": "?", "schema": schema}), answer) == fault


def test_schema_with_several_types() -> None:
    assert schema_fault(None, {"type": ["string", "null"]}, "x") is None
    assert schema_fault(1, {"type": ["string", "null"]}, "x") == "x is no string or null"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("fine<|im_end|>", "contains the control token '<|im_end|>'"),
        ("bro\ufffdken", "unprintable"),
        ("so " + "very good " * 9, "over and over"),
    ],
)
def test_format_faults(text: str, words: str) -> None:
    check = answer_format([recorded(text)], ["<|im_end|>"])
    assert check.status == "fail"
    assert words in check.evidence["faults"][0]["fault"]


def test_format_fails_when_no_answer_ever_ends() -> None:
    assert answer_format([recorded("a", "length"), recorded("b")]).status == "pass"
    check = answer_format([recorded("a", "length"), recorded("b", "length")])
    assert check.status == "fail"
    assert "stop tokens" in check.evidence["faults"][0]["fault"]
    assert answer_format([]).status == "not-run"


def test_repetition_looks_at_the_end_only() -> None:
    assert repetition("ha " * 6) == "ha"
    assert repetition("ha " * 5) is None
    assert repetition("no no no no no no, it ends well") is None


def test_a_steady_leak_fails() -> None:
    check = memory_leak([100 * MB + n * MB for n in range(20)])
    assert check.status == "fail"
    assert check.evidence["bytes_per_generation"]["low"] == pytest.approx(MB)


def test_level_memory_with_noise_passes() -> None:
    noisy = [100 * MB + (n % 3) * 4096 for n in range(20)]
    assert memory_leak(noisy).status == "pass"


def test_a_certain_growth_that_is_no_leak_is_not_called_level() -> None:
    check = memory_leak([100 * MB + 165 * n for n in range(20)])
    assert check.status == "pass"
    assert "Memory grows by +165 B a generation" in check.evidence["summary"]
    assert "too little to matter: a leak is more than 16.0 KiB" in check.evidence["summary"]


def test_one_allocation_is_not_a_leak() -> None:
    check = memory_leak([100 * MB] * 10 + [150 * MB] * 10)
    assert check.status == "pass"
    assert check.evidence["one_step"] is True
    assert "an allocation, no leak" in check.evidence["summary"]
    assert memory_leak([1] * 7).status == "not-run"


def test_consistent_speed() -> None:
    assert consistent_speed({32: [100, 101], 512: [60, 61]}).status == "pass"
    slow = consistent_speed({32: [100, 101], 512: [20, 21]})
    assert slow.status == "fail"
    assert slow.evidence["slowest_share"] == pytest.approx(21 / 101)
    # Disturbed repetitions decide nothing: the best ones pass, or a person looks.
    assert consistent_speed({32: [100, 10], 512: [60, 61]}).status == "pass"
    assert consistent_speed({32: [100, 10], 512: [20, 21]}).status == "needs-you"
    assert consistent_speed({32: [100]}).status == "not-run"


def test_edge_cases() -> None:
    good = EdgeCase(name="emoji", outcome="answered", words="ok")
    refused = EdgeCase(name="NUL", outcome="refused", words="The prompt holds a NUL character.")
    bad = EdgeCase(name="long", outcome="failed", words="died")
    assert edge_cases([good, refused]).status == "pass"
    assert edge_cases([good, bad]).status == "fail"
    assert edge_cases([]).status == "not-run"


@pytest.mark.parametrize(
    ("share", "ratio", "words", "far"),
    [
        (1.0, 1.0, "Very close", False),
        (0.95, 1.05, "Close to", False),
        (0.85, 1.3, "Noticeably", False),
        (0.99, 3.0, "Far from", True),
        (0.2, 1.0, "Far from", True),
    ],
)
def test_drift_in_words(share: float, ratio: float, words: str, far: bool) -> None:
    drift = {"top1_agreement": share, "perplexity_ratio": ratio, "kl_mean": 0.1}
    words_said, is_far = describe_drift(drift)
    assert words_said.startswith(words)
    assert is_far is far


def drift_of(share: float, low: float, kl: float, kl_high: float, ratio: float) -> dict[str, Any]:
    return {
        "tokens": 140,
        "top1_agreement": share,
        "top1_interval": [low, min(1.0, 2 * share - low)],
        "kl_mean": kl,
        "kl_interval": [0.0, kl_high],
        "perplexity_ratio": ratio,
        "perplexity_interval": [2 - ratio, ratio],
    }


@pytest.mark.parametrize(
    ("drift", "words", "level"),
    [
        # A hundred equal tokens alone leave 2.7 % open; that there is no divergence closes it.
        (drift_of(1.0, 0.973, 1e-11, 2e-11, 1.0), "Very close to the original: ", "very-close"),
        (drift_of(0.99, 0.90, 0.01, 0.03, 1.01), "Probably close to the original: ", "close"),
        (drift_of(0.99, 0.94, 0.002, 0.004, 1.01), "Close to the original: ", "close"),
        (drift_of(0.995, 0.985, 0.01, 0.03, 1.03), "Close to the original: ", "close"),
        (drift_of(0.95, 0.90, 0.02, 0.05, 1.01), "Probably close to the original: ", "close"),
        (drift_of(0.964, 0.91, 0.0048, 0.006, 1.009), "Close to the original: ", "close"),
        (drift_of(0.84, 0.75, 0.2, 0.4, 1.4), "Noticeably different", "noticeable"),
        (drift_of(0.7, 0.6, 0.4, 0.5, 1.5), "Far from the original: ", "far"),
    ],
)
def test_the_words_of_drift_mind_the_interval(
    drift: dict[str, Any], words: str, level: str
) -> None:
    words_said, far = describe_drift(drift)
    assert words_said.startswith(words), words_said
    grade, sure = closeness(drift)
    assert grade == level
    assert far is (level == "far")
    assert ("140 tokens are too few" in words_said) is not sure
    assert f"({100 * drift['top1_interval'][0]:.1f} to" in words_said


def test_no_divergence_is_zero() -> None:
    assert [kl_text(value) for value in (0.0, -3e-17, 1.4e-11, 2e-9, 0.00048)] == [
        "0",
        "0",
        "0",
        "2e-09",
        "0.00048",
    ]


def test_the_verdict_weighs_checks_and_drift() -> None:
    good = edge_cases([EdgeCase(name="a", outcome="answered", words="")])
    bad = edge_cases([EdgeCase(name="a", outcome="failed", words="")])
    look = domain_answers([recorded("Hello")])
    far = {"top1_agreement": 0.2, "perplexity_ratio": 9.0, "kl_mean": 2.0}
    assert give_verdict([good], None)[0].startswith("Usable. 1 of 1")
    assert give_verdict([good, look], None)[0].startswith("Usable with caution. 1 of 2")
    words, usable = give_verdict([good, bad], None)
    assert (words.split(".")[0], usable) == ("Not good enough", False)
    words, usable = give_verdict([good], far)
    assert (words.split(".")[0], usable) == ("Not good enough", False)
    assert "Far from the original" in words


def test_the_sample_prompts_load() -> None:
    prompts = load_prompts(find_paths().sample_prompts)
    assert len(prompts) > 30
    assert all(prompt.expects_content for prompt in prompts)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2"),
        ("[]", "no JSON object"),
        ('{"keys": ["a"]}', "either prompt or messages"),
        ('{"prompt": "a", "messages": []}', "either prompt or messages"),
        ('{"messages": []}', "nothing to ask"),
        ('{"messages": [1]}', "list of objects"),
        ('{"messages": [{"role": "boss", "content": "x"}]}', "a role must be"),
        ('{"prompt": 3}', "role and a content"),
        ('{"prompt": "a\\u0000b"}', "NUL"),
        ('{"prompt": "a", "regex": "("}', "regex is wrong"),
        ('{"prompt": "a", "keys": [1]}', "list of phrases"),
        ('{"prompt": "a", "keys": {"some": []}}', "all and any"),
        ('{"prompt": "a", "expect": "x"}', "'expect' is not known"),
        ('{"prompt": "a", "schema": 1}', "schema must be"),
        pytest.param("[" * 100_000, "line 2", id="deep"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(f'{{"prompt": "fine"}}\n{line}\n')
    with pytest.raises(InputRefused) as caught:
        load_prompts(path)
    assert words in str(caught.value)
    assert "line 2" in str(caught.value)
    assert caught.value.hint


def test_empty_binary_and_missing_prompt_files(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n# only a comment\n")
    with pytest.raises(InputRefused, match="no prompts"):
        load_prompts(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputRefused, match="UTF-8"):
        load_prompts(path)
    with pytest.raises(InputRefused, match="Cannot read"):
        load_prompts(tmp_path / "none")
