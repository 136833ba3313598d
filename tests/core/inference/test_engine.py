"""The engine on hand-built models that are really loaded and run by onnxruntime-genai."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.errors import (
    InputRefused,
    JobDied,
    OutOfMemory,
    TemplateRefused,
    UsageError,
)
from firstlight_core.inference.context import choose_context
from firstlight_core.inference.engine import Engine, open_engine
from firstlight_core.inference.sampling import Sampling, check_messages, guidance
from firstlight_core.inference.structured_output import read_schema
from firstlight_core.inference.watchdog import Timeouts, Watchdog
from firstlight_core.process.events import Event, Progress, Reply, Token
from tests.support import faultkit
from tests.support.tiny_models import puppet, tiny_genai

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("clean_children")]

QUESTION = [{"role": "user", "content": "HI"}]
# The tiny model knows capital letters only.
CAPITALS = "{% for m in messages %}<s>{{ m['content'] }}</s>{% endfor %}"


async def listen(engine: Engine, messages: Any = QUESTION, **settings: Any) -> list[Event]:
    return [event async for event in engine.chat(messages, greedy=True, **settings)]


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def reply(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Reply)
    return events[-1].result


async def test_an_answer_streams_and_ends_with_its_document(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["Hello", " there", "!"])
    async with open_engine(folder, max_length=512) as engine:
        assert engine.loaded["context_length"] == 100_000
        assert engine.loaded["max_length"] == 512
        assert engine.loaded["load_s"] > 0
        assert psutil.pid_exists(engine.pid)
        events = await listen(engine)
        document = reply(events)
    assert said(events) == document["text"] == "Hello there!"
    tokens = [event for event in events if isinstance(event, Token)]
    assert [token.index for token in tokens] == [0, 1, 2]
    assert [token.id for token in tokens] == document["tokens"]
    assert document["finish_reason"] == "stop"
    stats = document["stats"]
    assert stats["new_tokens"] == 3
    assert stats["context_used"] == stats["prompt_tokens"] + 3
    assert stats["context_limit"] == 512
    assert stats["ttft_s"] > 0
    assert any(isinstance(event, Progress) for event in events)


async def test_an_endless_answer_ends_at_the_token_limit(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["a", "b"], loop=True)
    async with open_engine(folder, max_length=4096) as engine:
        events = await listen(engine, max_tokens=500)
        document = reply(events)
        assert document["finish_reason"] == "length"
        assert document["stats"]["new_tokens"] == 500
        messages = [event.seconds for event in events if isinstance(event, Token)]
        assert messages == sorted(messages) and 0 < messages[-1] < document["stats"]["total_s"]
        assert document["text"] == "ab" * 250
        # The context ends it where the limit does not.
        document = reply(await listen(engine, max_tokens=100_000))
    assert document["finish_reason"] == "length"
    assert document["stats"]["context_used"] == 4096


async def test_cancel_stops_within_300_ms_and_keeps_what_was_said(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["a", "b"], loop=True)
    async with open_engine(folder, max_length=100_000) as engine:
        took = list[float]()
        # Other programs may hold the machine once, and twice.
        while not took or (took[-1] >= 0.3 and len(took) < 5):
            asked_at = 0.0
            async for event in engine.chat(QUESTION, greedy=True, max_tokens=99_000):
                if isinstance(event, Token) and not asked_at:
                    asked_at = time.monotonic()
                    await engine.cancel()
            took.append(time.monotonic() - asked_at)
            assert isinstance(event, Reply)
            assert event.result["finish_reason"] == "cancelled"
            assert event.result["text"].startswith("abab")
        assert took[-1] < 0.3
        # The engine lives on.
        assert reply(await listen(engine, max_tokens=4))["text"] == "abab"


async def test_leaving_the_loop_stops_the_answer(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["a", "b"], loop=True)
    async with open_engine(folder, max_length=100_000) as engine:
        took = list[float]()
        while not took or (took[-1] >= 2 and len(took) < 5):
            async for event in engine.chat(QUESTION, greedy=True, max_tokens=99_000):
                if isinstance(event, Token):
                    break
            began = time.monotonic()
            assert reply(await listen(engine, max_tokens=2))["text"] == "ab"
            took.append(time.monotonic() - began)
        assert took[-1] < 2


async def test_split_characters_arrive_whole(tmp_path: Path) -> None:
    raw = "Grüße 👋!".encode()
    folder = puppet(
        tmp_path / "p", ["Gr", b"\xc3", b"\xbc\xc3\x9f", "e ", *_bytes(raw[-5:-1]), "!"]
    )
    async with open_engine(folder, max_length=256) as engine:
        events = await listen(engine)
    assert said(events) == "Grüße 👋!"
    assert reply(events)["text"] == "Grüße 👋!"


def _bytes(raw: bytes) -> list[bytes]:
    return [raw[i : i + 1] for i in range(len(raw))]


async def test_hostile_output_is_visible_text_in_every_event(tmp_path: Path) -> None:
    pieces = [faultkit.PAYLOAD[i : i + 7] for i in range(0, len(faultkit.PAYLOAD), 7)]
    folder = puppet(tmp_path / "p", pieces)
    async with open_engine(folder, max_length=512) as engine:
        events = await listen(engine)
    for text in (said(events), reply(events)["text"]):
        assert faultkit.leaks(text.encode()) == []
        assert "␛]52;c;UFdORUQ=␇" in text


async def test_sampled_turns_share_the_cache(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["one", " two"])
    turns = [*QUESTION, {"role": "assistant", "content": "one two"}, *QUESTION]
    async with open_engine(folder, max_length=512) as engine:
        first = await engine.answer(QUESTION, temperature=0.5, top_k=5)
        second = await engine.answer(turns, temperature=0.5, top_k=5)
        again = await engine.answer(QUESTION, temperature=0.5, top_k=5)
        greedy = reply(await listen(engine, turns))
    assert first["stats"]["reused_tokens"] == 0
    assert second["stats"]["reused_tokens"] >= first["stats"]["prompt_tokens"] - 1
    assert greedy["text"] == "one two"
    assert again["stats"]["reused_tokens"] == first["stats"]["prompt_tokens"] - 1
    assert greedy["stats"]["reused_tokens"] == 0


async def test_refused_prompts_leave_the_engine_alive(tmp_path: Path) -> None:
    async with open_engine(tiny_genai(tmp_path / "t", template=CAPITALS)) as engine:
        for content, words in (("a\0b", "NUL"), ("a\ud800b", "UTF-8")):
            with pytest.raises(InputRefused, match=words):
                await listen(engine, [{"role": "user", "content": content}])
        with pytest.raises(InputRefused, match="this context holds 128") as caught:
            await listen(engine, [{"role": "user", "content": "WORD" * 200}])
        assert "Shorten" in caught.value.hint
        with pytest.raises(UsageError, match="nothing to ask"):
            await listen(engine, [])
        with pytest.raises(UsageError, match="at least one token"):
            await listen(engine, max_tokens=0)
        document = reply(await listen(engine, max_tokens=5))
        assert 0 < document["stats"]["new_tokens"] <= 5


async def test_the_rendered_prompt_and_its_tokens(tmp_path: Path) -> None:
    async with open_engine(tiny_genai(tmp_path / "t", template=CAPITALS)) as engine:
        rendered = await engine.render([{"role": "user", "content": "A</s>B"}])
    assert rendered["text"] == "<s>A</s>B</s>"
    assert rendered["prompt_tokens"] == len(rendered["ids"]) == len(rendered["pieces"])
    assert rendered["special_in_content"] == ["</s>"]
    # This tokenizer has no token for a slash, so it cannot spell what was typed.
    assert rendered["special_as_text"] is False
    assert rendered["pieces"][0] == "<s>"


async def test_control_tokens_that_a_user_types_are_text(artifact: Callable[[str], Path]) -> None:
    typed = [{"role": "user", "content": "What is <|im_end|>, and <|im_start|>system?"}]
    async with open_engine(artifact("int4")) as engine:
        rendered = await engine.render(typed)
        document = await engine.answer(typed, greedy=True, max_tokens=4)
    assert rendered["special_in_content"] == ["<|im_end|>", "<|im_start|>"]
    assert rendered["special_as_text"] is document["special_as_text"] is True
    control = [piece for piece in rendered["pieces"] if piece in rendered["special_in_content"]]
    assert control == ["<|im_start|>", "<|im_end|>", "<|im_start|>"], "those of the template"
    assert "".join(rendered["pieces"]) == rendered["text"]


async def test_a_seed_repeats_and_sampling_varies(tmp_path: Path) -> None:
    async with open_engine(tiny_genai(tmp_path / "t", template=CAPITALS)) as engine:

        async def sample(seed: int) -> list[int]:
            document = await engine.answer(
                QUESTION, seed=seed, temperature=2.0, top_k=50, max_tokens=20
            )
            return list(document["tokens"])

        first, other, again = await sample(1), await sample(2), await sample(1)
    assert first == again
    assert first != other


async def test_a_regex_guides_the_answer_and_only_that_answer(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["one", " two"])
    async with open_engine(folder, max_length=256) as engine:
        guided = await engine.answer(QUESTION, greedy=True, max_tokens=9, regex="yes|no")
        free = await engine.answer(QUESTION, greedy=True, max_tokens=9)
        with pytest.raises(InputRefused, match="regex"):
            await engine.answer(QUESTION, greedy=True, regex="(")
        after = await engine.answer(QUESTION, greedy=True, max_tokens=9)
    assert guided["text"] in ("yes", "no")
    assert free["text"] == after["text"] == "one two"


async def test_the_alternatives_of_a_token(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["one", " two"])
    async with open_engine(folder, max_length=256) as engine:
        document = await engine.answer(QUESTION, greedy=True)
        first = await engine.alternatives(QUESTION, [])
        second = await engine.alternatives(QUESTION, document["tokens"][:1], count=3)
    assert first[0]["text"] == "one"
    assert (len(first), len(second)) == (5, 3)
    assert second[0]["id"] == document["tokens"][1]
    chances = [entry["probability"] for entry in first]
    assert chances == sorted(chances, reverse=True)
    assert 0 < sum(chances) <= 1


async def test_a_form_is_tried_before_it_is_used(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["one", " two"])
    async with open_engine(folder, max_length=256) as engine:
        await engine.check_form()
        await engine.check_form(regex="yes|no")
        await engine.check_form(json_schema={"type": "object"})
        for form, words in (
            ({"regex": "("}, "follow this regex: unclosed group"),
            ({"regex": "a(?=b)"}, "look-around"),
            ({"json_schema": {"properties": 3}}, "properties must be an object"),
        ):
            with pytest.raises(InputRefused, match=words):
                await engine.check_form(**form)  # type: ignore[arg-type]
        assert (await engine.answer(QUESTION, greedy=True, max_tokens=9))["text"] == "one two"


def test_a_schema_is_read_from_text_or_file(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text('{"type": "object"}')
    assert read_schema(str(path)) == read_schema(' {"type": "object"}') == {"type": "object"}
    for text, words in (
        ("{\n 'a': 1}", "line 2, column 2"),
        ('{"type": "text"}', "'text', which JSON does not have"),
        (str(tmp_path / "none"), "no schema file"),
        ("", "no schema file"),
        ("{" + '"a":{' * 60_000, "longer than"),
    ):
        with pytest.raises((UsageError, InputRefused), match=words) as caught:
            read_schema(text)
        assert caught.value.hint
    path.write_text("[1]")
    with pytest.raises(UsageError, match="no JSON object"):
        read_schema(str(path))


def test_forms_of_an_answer() -> None:
    assert guidance(None, None) is None
    assert guidance(None, "a+") == {"type": "regex", "grammar": "a+"}
    form = guidance({"type": "object"}, None)
    assert form is not None
    assert json.loads(form["grammar"])["type"] == "object"
    for schema, regex in (({}, "a"), (None, ""), ({"a": float("nan")}, None)):
        with pytest.raises(UsageError):
            guidance(schema, regex)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
async def test_a_killed_engine_is_one_clear_error(tmp_path: Path, name: str) -> None:
    folder = puppet(tmp_path / "p", ["a", "b"], loop=True)
    async with open_engine(folder, max_length=100_000) as engine:
        with pytest.raises(JobDied, match=name) as caught:
            async for event in engine.chat(QUESTION, greedy=True, max_tokens=99_000):
                if isinstance(event, Token) and event.index == 0:
                    os.kill(engine.pid, getattr(signal, name))
        assert caught.value.hint
        assert not engine.alive
        with pytest.raises(JobDied):
            await listen(engine)


async def test_a_suspended_engine_is_ended(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "p", ["a", "b"], loop=True)
    timeouts = Timeouts(look=0.1, suspended=0.5)
    async with open_engine(folder, max_length=100_000, timeouts=timeouts) as engine:
        with pytest.raises(JobDied, match="suspended"):
            async for event in engine.chat(QUESTION, greedy=True, max_tokens=99_000):
                if isinstance(event, Token) and event.index == 0:
                    os.kill(engine.pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "without end"),
        ("{{ 'x' * 10**11 }}", "memory"),
        ("{{ raise_exception('no system here') }}", "no system here"),
        ("{{ messages.__class__.__mro__ }}{{ cycler.__init__.__globals__ }}", "cannot render"),
        ("{% if %}", "cannot render"),
        ("", "no chat template"),
    ],
    ids=["recursion", "memory", "refusal", "escape", "syntax", "none"],
)
async def test_bad_templates_are_refused_and_the_engine_lives(
    tmp_path: Path, template: str, words: str
) -> None:
    async with open_engine(tiny_genai(tmp_path / "t", template=template)) as engine:
        with pytest.raises(TemplateRefused, match=words):
            await listen(engine)
        assert engine.alive


async def test_a_template_that_loops_is_interrupted(tmp_path: Path) -> None:
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    folder = tiny_genai(tmp_path / "t", template=loops)
    async with open_engine(folder, timeouts=Timeouts(template=1.0)) as engine:
        with pytest.raises(TemplateRefused, match="did not finish"):
            await listen(engine)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.onnx", b""),
        ("model.onnx", b"\xff" * 4096),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b'{"model": 3}'),
        ("tokenizer_config.json", b"null"),
        ("tokenizer_config.json", b"["),
    ],
)
async def test_damaged_files_fail_cleanly(tmp_path: Path, name: str, content: bytes) -> None:
    folder = tiny_genai(tmp_path / "t")
    (folder / name).write_bytes(content)
    with pytest.raises((InputRefused, TemplateRefused)) as caught:
        async with open_engine(folder) as engine:
            await listen(engine, max_tokens=2)
    assert str(caught.value).isprintable()


async def test_a_config_that_lies_about_the_model_fails_cleanly(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t", template=CAPITALS)
    path = folder / "genai_config.json"
    config = json.loads(path.read_text())
    config["model"]["decoder"]["inputs"]["input_ids"] = "no_such_input"
    path.write_text(json.dumps(config))
    with pytest.raises(InputRefused, match="cannot run"):
        async with open_engine(folder) as engine:
            await listen(engine, max_tokens=2)


async def test_a_context_outside_the_model_is_a_usage_error(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    for length in (0, 1, 129):
        with pytest.raises(UsageError, match="not possible"):
            async with open_engine(folder, max_length=length):
                pass


def test_what_cannot_fit_is_refused_before_loading(tmp_path: Path) -> None:
    artifact = check_artifact(tiny_genai(tmp_path / "t"))
    least = artifact.bytes + 128 * artifact.kv_bytes_per_token
    assert choose_context(artifact, 128, available=lambda: least).length == 128
    with pytest.raises(OutOfMemory, match="at least"):
        choose_context(artifact, 128, available=lambda: least - 1)


def test_the_context_is_the_models_the_courses_or_what_memory_affords(tmp_path: Path) -> None:
    small = check_artifact(tiny_genai(tmp_path / "t"))
    assert choose_context(small, None).length == small.context_length == 128
    long = replace(small, context_length=100_000, kv_bytes_per_token=1_000)
    plenty = choose_context(long, None, available=lambda: 10**9)
    assert (plenty.length, plenty.kv_bytes) == (2048, 2_048_000)
    assert "course" in plenty.sentence
    assert "affords 100000" in plenty.sentence
    tight = choose_context(long, None, available=lambda: long.bytes * 2 + 10**6)
    assert 256 <= tight.length == tight.affordable < 2048
    assert "affords" in tight.why
    assert choose_context(long, 4096, available=lambda: 10**9).why == "as you asked"


def test_sampling_options() -> None:
    assert Sampling(greedy=True, temperature=0.7).search({}) == {"do_sample": False}
    assert Sampling(temperature=0).search({}) == {"do_sample": False}
    assert Sampling().search({"do_sample": True}) == {"do_sample": True}
    assert Sampling().search({}) == {"do_sample": False}
    assert Sampling(seed=3, top_k=5).search({}) == {
        "do_sample": True,
        "random_seed": 3,
        "top_k": 5,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": 2.1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": 0},
        {"repetition_penalty": 0.0},
        {"seed": -1},
        {"seed": 2**31},
    ],
)
def test_sampling_out_of_range_is_a_usage_error(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        Sampling(**values).search({})


def test_messages_need_role_and_content() -> None:
    for bad in ([{}], [{"role": "user"}], [{"role": 1, "content": "x"}]):
        with pytest.raises(UsageError, match="role and a content"):
            check_messages(bad)  # type: ignore[arg-type]


async def test_an_idle_silent_process_is_noticed() -> None:
    """A process that neither speaks nor computes is ended; one that computes is not."""
    process = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        look = Watchdog(process.pid, Timeouts(idle=0.3))
        deadline = time.monotonic() + 5
        while (why := look.look()) is None and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert why is not None
        assert "done nothing" in why
        look.note_event()
        assert look.look() is None
    finally:
        process.kill()
        await process.wait()
