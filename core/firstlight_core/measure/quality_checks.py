"""The course's five checks (Module 5, section 4) as pure functions over what was recorded."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from firstlight_core.documents.inference import ChatAnswer
from firstlight_core.documents.measure import (
    CheckRow,
    CheckStatus,
    Evidence,
    PromptAnswer,
    PromptFault,
)
from firstlight_core.measure.metrics import coefficient_of_variation, mean, slope
from firstlight_core.measure.quality_prompts import QualityPrompt, content_fault, format_fault
from firstlight_core.template.escapes import escaped
from firstlight_core.text import bytes_text, one_line

RIGHT_SHARE = 0.8
"""Share of domain questions that must be answered as expected."""
RATED_WELL = 3.5
"""Mean of a person's ratings, 1 to 5, from which answers count as good: better than the middle. Our choice."""
LEAK_BYTES = 16 * 1024
"""Growth of resident memory for each generation that is certainly (lower end of the 95 % interval) exceeded by a leak;
below it lie the allocator's own movements."""
ONE_STEP_SHARE = 0.8
"""A single step that makes this much of the whole growth is an allocation, not a leak."""
SLOWEST_SHARE = 1 / 3
"""The slowest prompt length must reach this share of the fastest. Attention makes long contexts slower by nature."""
STEADY = 0.35
"""Coefficient of variation of repeated measurements above which nothing can be judged."""
SHOWN = 5
"""Faults listed in the evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One question with its answer (the chat document), or with the error it met."""

    prompt: QualityPrompt
    answer: ChatAnswer | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        """The answer's text; empty when there was an error."""
        return self.answer["text"] if self.answer is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeCase:
    """One unusual input and what became of it."""

    name: str
    outcome: Literal["answered", "refused", "failed"]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityCheck:
    """The result of one check."""

    id: str
    title: str
    status: CheckStatus
    evidence: Evidence

    def to_json(self) -> CheckRow:
        """Return the row in `checks`."""
        return {
            "id": self.id,
            "title": self.title,
            "status": self.status,
            "evidence": self.evidence,
        }


def domain_answers(
    recorded: Sequence[Recorded], *, right_share: float = RIGHT_SHARE, ratings: Sequence[int] = ()
) -> QualityCheck:
    """1: does it answer the questions of its field as expected, and what does a person think of its answers?

    `ratings` are 1 to 5 each, given in the chat.
    """
    title = "Domain questions are answered"
    checked = [entry for entry in recorded if entry.prompt.expects_content]
    rated, liked = _rated(ratings)
    if not checked:
        status: CheckStatus = "not-run"
        summary = "No question says what a right answer is."
        if ratings:
            status, summary = "pass" if liked else "fail", f"{summary} {rated}"
        elif recorded:
            status, summary = "needs-you", summary + " Read the answers and rate them in the chat."
        evidence: Evidence = {"summary": summary, "answers": _answers(recorded)}
        if ratings:
            evidence["ratings"] = list(ratings)
        return QualityCheck(id="domain-answers", title=title, status=status, evidence=evidence)
    faults: list[PromptFault] = [
        {
            "prompt": entry.prompt.question,
            "answer": one_line(entry.text, 200),
            "fault": fault,
        }
        for entry in checked
        if (fault := entry.error or content_fault(entry.prompt, entry.text))
    ]
    right = len(checked) - len(faults)
    summary = f"{right} of {len(checked)} answers are as expected ({right_share:.0%} needed)."
    status = "pass" if right >= right_share * len(checked) else "fail"
    if ratings:
        summary = f"{summary} {rated}"
        # Right by the file and poor in a person's eyes: neither of the two is to be overruled silently.
        status = "needs-you" if status == "pass" and not liked else status
    evidence = {"summary": summary, "right": right, "asked": len(checked), "faults": faults}
    if ratings:
        evidence["ratings"] = list(ratings)
    return QualityCheck(id="domain-answers", title=title, status=status, evidence=evidence)


def _rated(ratings: Sequence[int]) -> tuple[str, bool]:
    """Return the ratings in words, and whether they are good enough."""
    if not ratings:
        return "", False
    average = mean([float(stars) for stars in ratings])
    count = f"{len(ratings)} answer{'s' * (len(ratings) != 1)}"
    return f"You rated {count} {average:.1f} of 5 ({RATED_WELL} needed).", average >= RATED_WELL


def _answers(recorded: Sequence[Recorded]) -> list[PromptAnswer]:
    return [
        {"prompt": entry.prompt.question, "answer": one_line(entry.text, 200)}
        for entry in recorded[:SHOWN]
    ]


def answer_format(recorded: Sequence[Recorded], special: Sequence[str] = ()) -> QualityCheck:
    """2: are the answers clean text, of the form that was asked for, and do they end?

    `special` are control tokens, which no answer may contain as text; the markup of thoughts and tool calls is not
    among them.
    """
    title = "Answers have the right format"
    answered = [entry for entry in recorded if entry.answer is not None]
    if not answered:
        return QualityCheck(
            id="answer-format",
            title=title,
            status="not-run",
            evidence={"summary": "There is no answer to look at."},
        )
    faults: list[PromptFault] = []
    for entry in answered:
        fault = _form_fault(entry, special)
        if fault:
            faults.append({"prompt": entry.prompt.question, "fault": fault})
    ended = sum(entry.answer["finish_reason"] == "stop" for entry in answered if entry.answer)
    if ended == 0:
        faults.append(
            {"prompt": "all", "fault": "no answer ended by itself: check the stop tokens"}
        )
    summary = (
        f"{_count(len(answered), 'answer')}, {ended} ended by {'itself' if ended == 1 else 'themselves'}, "
        f"{_count(len(faults), 'fault')}."
    )
    return QualityCheck(
        id="answer-format",
        title=title,
        status="fail" if faults else "pass",
        evidence={"summary": summary, "ended": ended, "faults": faults[: 4 * SHOWN]},
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _form_fault(entry: Recorded, special: Sequence[str]) -> str | None:
    text = entry.text
    if not text.strip():
        return "the answer is empty"
    for token in special:
        if token in text:
            return f"the answer contains the control token '{escaped(token)[:60]}'"
    if "\ufffd" in text:
        return "the answer contains broken or unprintable characters"
    if (phrase := repetition(text)) is not None:
        return f"the answer repeats {one_line(phrase, 40)!r} over and over"
    return format_fault(entry.prompt, text)


def repetition(text: str, *, times: int = 6) -> str | None:
    """Return a phrase of one to eight words, repeated `times` times in a row at the end of a text."""
    words = text.split()
    for width in range(1, 9):
        if len(words) < width * times:
            break
        phrase = words[-width:]
        if all(words[-width * (n + 1) : len(words) - width * n] == phrase for n in range(times)):
            return " ".join(phrase)
    return None


def memory_leak(rss: Sequence[int]) -> QualityCheck:
    """3: does resident memory (bytes, after each generation, warm-up left out) keep growing?"""
    title = "No memory leak"
    if len(rss) < 8:
        return QualityCheck(
            id="memory-leak",
            title=title,
            status="not-run",
            evidence={"summary": "Fewer than 8 generations were recorded."},
        )
    line = slope([float(value) for value in rss])
    growth = rss[-1] - rss[0]
    steps = [later - earlier for earlier, later in itertools.pairwise(rss)]
    one_step = growth > 0 and max(steps) >= ONE_STEP_SHARE * growth
    leaks = line.low > LEAK_BYTES and not one_step
    words = (
        f"{_signed(line.value)} a generation (95 %: {_signed(line.low)} to {_signed(line.high)})"
    )
    if leaks:
        summary = f"Memory grows by {words} over {len(rss)} generations."
    elif line.low > LEAK_BYTES:
        summary = (
            f"Memory grew once, by {bytes_text(max(steps))}, and stayed: an allocation, no leak."
        )
    elif line.low > 0:
        summary = (
            f"Memory grows by {words} over {len(rss)} generations, which is too little to matter: "
            f"a leak is more than {bytes_text(LEAK_BYTES)}."
        )
    else:
        summary = f"Memory is level over {len(rss)} generations: {words}."
    return QualityCheck(
        id="memory-leak",
        title=title,
        status="fail" if leaks else "pass",
        evidence={
            "summary": summary,
            "generations": len(rss),
            "bytes_per_generation": {"value": line.value, "low": line.low, "high": line.high},
            "first_bytes": rss[0],
            "last_bytes": rss[-1],
            "one_step": one_step,
        },
    )


def because(check: QualityCheck, why: str) -> QualityCheck:
    """Return a check that was not run, with the reason."""
    return replace(check, evidence={"summary": why})


def _signed(count: float) -> str:
    return ("-" if count < 0 else "+") + bytes_text(abs(count))


def consistent_speed(rates: Mapping[int, Sequence[float]]) -> QualityCheck:
    """4: does the decode rate (tokens a second, several for each prompt length) hold over input lengths?"""
    title = "Consistent speed over input lengths"
    measured = {length: list(values) for length, values in rates.items() if values}
    if len(measured) < 2:
        return QualityCheck(
            id="consistent-speed",
            title=title,
            status="not-run",
            evidence={"summary": "Fewer than two prompt lengths could be measured."},
        )
    # Other programs only ever slow a measurement down, so the fastest repetition is the steadiest figure.
    best = {length: max(values) for length, values in measured.items()}
    shake = max(coefficient_of_variation(values) for values in measured.values())
    share = min(best.values()) / max(best.values())
    rates_text = ", ".join(f"{rate:.1f} tokens/s at {length}" for length, rate in best.items())
    summary = f"{rates_text} tokens of prompt; the slowest reaches {share:.0%} of the fastest."
    status: CheckStatus = "pass"
    if share < SLOWEST_SHARE:
        status = "fail" if shake <= STEADY else "needs-you"
    if status == "needs-you":
        summary += " Repetitions differ too much to judge: close other programs and repeat."
    return QualityCheck(
        id="consistent-speed",
        title=title,
        status=status,
        evidence={
            "summary": summary,
            "decode_tps": {str(length): rate for length, rate in best.items()},
            "slowest_share": share,
            "variation": shake,
        },
    )


def edge_cases(cases: Sequence[EdgeCase]) -> QualityCheck:
    """5: does every unusual input get an answer or a clear refusal?"""
    title = "Edge cases are handled"
    if not cases:
        return QualityCheck(
            id="edge-cases",
            title=title,
            status="not-run",
            evidence={"summary": "No edge case was tried."},
        )
    failed = [case for case in cases if case.outcome == "failed"]
    refused = sum(case.outcome == "refused" for case in cases)
    summary = (
        f"{len(cases)} inputs: {len(cases) - refused - len(failed)} answered, "
        f"{refused} refused with a clear message, {len(failed)} failed."
    )
    return QualityCheck(
        id="edge-cases",
        title=title,
        status="fail" if failed else "pass",
        evidence={
            "summary": summary,
            "cases": [
                {"name": case.name, "outcome": case.outcome, "words": one_line(case.words, 160)}
                for case in cases
            ],
        },
    )
