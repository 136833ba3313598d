"""The endpoint job against a small HTTP server that says what a test wants."""

import email.utils
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firstlight_core.artifact.target import find_target
from firstlight_core.errors import FirstlightError, InputRefused, JobFailed, UsageError
from firstlight_core.inference.endpoint import find_servers, open_endpoint
from firstlight_core.inference.open_target import open_target
from firstlight_core.inference.servers import ServerLimits, api_key, is_loopback, model_ids
from firstlight_core.jobs.server_stream import StreamedAnswer, piece_limit
from firstlight_core.process.events import Event, Reply, Stage, Token
from tests.support import faultkit
from tests.support.scripted_server import Script, event, piece, serving

QUESTION = [{"role": "user", "content": "hi"}]
QUICK = ServerLimits(silence=1.5, answer=3.0, wait=0.1)


@pytest.fixture
def script() -> Iterator[Script]:
    with serving() as script:
        yield script


async def listen(url: str, limits: ServerLimits | None = None, **settings: Any) -> list[Event]:
    async with open_target(url, limits=limits) as server:
        return [event async for event in server.chat(QUESTION, **settings)]


def reply(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Reply)
    return events[-1].result


async def test_an_answer_streams_with_the_servers_counts(script: Script) -> None:
    script.say("Hello", " there", usage={"prompt_tokens": 7, "completion_tokens": 5})
    events = await listen(script.url, greedy=True, max_tokens=20)
    assert [event.text for event in events if isinstance(event, Token)] == ["Hello", " there"]
    document = reply(events)
    assert (document["text"], document["finish_reason"]) == ("Hello there", "stop")
    assert "tokens" not in document
    stats = document["stats"]
    assert (stats["prompt_tokens"], stats["new_tokens"], stats["counted_by"]) == (7, 5, "server")
    assert stats["ttft_s"] > 0
    request = script.requests[0]
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("one", 20, 0)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"completion_tokens": True, "prompt_tokens": -3},
        {"completion_tokens": 10**9, "prompt_tokens": "7"},
    ],
)
async def test_without_a_believable_usage_the_pieces_are_counted_and_said_so(
    script: Script, usage: dict[str, Any] | None
) -> None:
    script.say("a", "b", "c", usage=usage)
    stats = reply(await listen(script.url, temperature=0.5, seed=4))["stats"]
    assert (stats["new_tokens"], stats["counted_by"]) == (3, "chunks")
    assert "prompt_tokens" not in stats
    assert (script.requests[0]["temperature"], script.requests[0]["seed"]) == (0.5, 4)


def test_what_comes_in_one_portion_says_nothing_about_the_decode_rate() -> None:
    heard = StreamedAnswer(began=0, limit=100)
    for at in (10, 10, 10, 20):
        heard.take(at * 10**6)
    heard.ended = 30 * 10**6
    assert "decode_tps" not in heard.stats()
    assert heard.stats()["ttft_s"] == 0.01
    heard.take(30 * 10**6)
    # 5 pieces in 3 arrivals, 3 of them with the first: 2 took 20 ms.
    assert heard.stats()["decode_tps"] == pytest.approx(100)
    heard.usage = {"completion_tokens": 10}
    assert heard.stats()["decode_tps"] == pytest.approx(200)


async def test_thinking_counts_as_tokens_but_is_no_answer(script: Script) -> None:
    thought = event({"choices": [{"delta": {"reasoning_content": "hm"}}]})
    script.say("yes")
    script.lines.insert(0, thought)
    document = reply(await listen(script.url))
    assert (document["text"], document["stats"]["new_tokens"]) == ("yes", 2)


@pytest.mark.slow
async def test_the_model_is_chosen_or_asked_for(script: Script) -> None:
    script.offer("one", "two")
    script.say("x")
    with pytest.raises(UsageError, match="2 models") as caught:
        await listen(script.url)
    assert "one, two" in caught.value.hint
    await listen(script.url + "#two")
    assert script.requests[0]["model"] == "two"
    with pytest.raises(InputRefused, match="'three'"):
        await listen(script.url + "#three")


@pytest.mark.slow
async def test_hostile_text_is_made_visible(script: Script) -> None:
    script.say(
        *(faultkit.PAYLOAD[i : i + 5] for i in range(0, len(faultkit.PAYLOAD), 5)),
        finish=faultkit.PAYLOAD,
    )
    script.offer(faultkit.PAYLOAD)
    events = await listen(script.url, max_tokens=200)
    streamed = "".join(event.text for event in events if isinstance(event, Token))
    assert streamed
    for text in (streamed, str(reply(events)), reply(events)["finish_reason"]):
        assert faultkit.leaks(text.encode()) == []
    with pytest.raises(InputRefused) as caught:
        await listen(script.url + "#none")
    assert faultkit.leaks(f"{caught.value} {caught.value.hint}".encode()) == []
    script.lines = [event({"error": {"message": faultkit.PAYLOAD}})]
    with pytest.raises(InputRefused, match="reports") as caught:
        await listen(script.url)
    assert faultkit.leaks(f"{caught.value} {caught.value.hint}".encode()) == []


def broken(**settings: Any) -> Callable[[Script], None]:
    """A server that says "x", with these settings."""

    def set_up(script: Script) -> None:
        script.say("x")
        for name, value in settings.items():
            setattr(script, name, value)

    return set_up


BROKEN: dict[str, tuple[Callable[[Script], None], type[FirstlightError], str]] = {
    "torn": (broken(lines=[b"data: {broken\n\n"]), JobFailed, "cannot be used"),
    "deep": (broken(lines=[b"data: " + b"[" * 200_000 + b"\n\n"]), JobFailed, "cannot be used"),
    "endless line": (broken(lines=[b"data: " + b"x" * 1_200_000]), JobFailed, "without end"),
    "error": (
        broken(lines=[b'data: {"error": {"message": "no GPU"}}\n\n']),
        InputRefused,
        "no GPU",
    ),
    "wrong choice": (broken(lines=[b'data: {"choices": [3]}\n\n']), JobFailed, "cannot be"),
    "wrong delta": (
        broken(lines=[b'data: {"choices": [{"delta": [1]}]}\n\n']),
        JobFailed,
        "cannot be",
    ),
    "list": (broken(lines=[b"data: [1]\n\n"]), JobFailed, "no JSON object"),
    "no stream": (broken(lines=[b'{"choices": []}']), JobFailed, "not with a stream of events"),
    "dies mid-stream": (broken(lines=[piece("one"), piece("two")]), JobFailed, "broke off"),
    "stalls": (broken(lines=[piece("one")], stall=True), JobFailed, r"silent for 1\.50 s"),
    "trickles": (
        broken(lines=[], repeat=b": still here\n\n", repeat_every=0.02),
        JobFailed,
        r"within 3\.00 s",
    ),
    "huge": (broken(lines=[], repeat=piece("x" * 400_000)), JobFailed, "more than 4 MB"),
    "redirect": (
        broken(status=302, more_headers={"Location": "http://evil.example/"}),
        InputRefused,
        "redirects to http://evil.example/, and Firstlight follows no redirect",
    ),
    "401": (broken(status=401), InputRefused, "wants an API key"),
    "404": (broken(status=404), InputRefused, "does not know /v1/chat/completions"),
    "500": (broken(status=500), InputRefused, "answers 500 to /chat/completions: not now"),
    "later": (
        broken(status=429, more_headers={"Retry-After": "3600"}),
        InputRefused,
        "asks to wait 1 h 00 min",
    ),
    "html": (broken(models=b"<html>"), JobFailed, "OpenAI|cannot be used"),
    "no models": (broken(models=b'{"data": []}'), UsageError, "0 models"),
    "no names": (broken(models=b'{"data": [{"id": 3}, 4]}'), UsageError, "0 models"),
    "no HTTP": (broken(raw=b"\0\1\2 hello\r\n\r\n"), JobFailed, "does not speak HTTP"),
    "huge list": (broken(models=b'{"data": [' + b" " * 2_000_000), JobFailed, "cannot be used"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_servers_are_one_sentence(script: Script, name: str) -> None:
    set_up, kind, words = BROKEN[name]
    set_up(script)
    with pytest.raises(kind, match=words) as caught:
        await listen(script.url, QUICK, max_tokens=400)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    # One question, or one look at the models; a refusal is not repeated.
    assert len(script.requests) <= 1


async def test_an_answer_that_never_ends_is_cut_at_the_limit(script: Script) -> None:
    script.repeat = piece("again ")
    document = reply(await listen(script.url, max_tokens=8))
    assert document["finish_reason"] == "length"
    assert document["text"].count("again") == piece_limit(8) + 1
    assert document["stats"]["counted_by"] == "chunks"


@pytest.mark.parametrize(
    ("statuses", "headers", "came"),
    [
        ([503], {}, 2),
        ([429, 502], {"Retry-After": "0.05"}, 3),
        ([429], {"Retry-After": email.utils.formatdate(0)}, 2),
        ([429], {"Retry-After": "nonsense"}, 2),
    ],
)
async def test_a_busy_server_is_asked_again(
    script: Script, statuses: list[int], headers: dict[str, str], came: int
) -> None:
    script.say("at last")
    script.statuses, script.more_headers = list(statuses), headers
    events = await listen(script.url)
    assert reply(events)["text"] == "at last"
    assert len(script.requests) == came
    waits = [e.label for e in events if isinstance(e, Stage) and e.name == "wait"]
    assert len(waits) == len(statuses)
    assert waits[0].startswith("The server is busy; asking again in ")


async def test_a_server_that_stays_busy_is_left_alone(script: Script) -> None:
    script.status, script.more_headers = 429, {"Retry-After": "0.01"}
    with pytest.raises(InputRefused, match="too busy: it answers 429 3 times"):
        await listen(script.url)
    assert len(script.requests) == 3


async def test_the_history_lives_on_after_a_fault(script: Script) -> None:
    """The job is not lost with an answer: the next question is answered."""
    script.lines = [piece("half an")]
    async with open_endpoint(find_target(script.url)) as server:
        with pytest.raises(JobFailed, match="broke off"):
            await server.answer(QUESTION)
        script.say("whole")
        assert (await server.answer(QUESTION))["text"] == "whole"


async def test_cancel_leaves_a_silent_server_at_once(script: Script) -> None:
    script.lines, script.stall = [piece("first")], True
    async with open_endpoint(find_target(script.url)) as server:
        asked_at = 0.0
        async for event in server.chat(QUESTION):
            if isinstance(event, Token):
                asked_at = time.monotonic()
                await server.cancel()
        assert isinstance(event, Reply)
        assert event.result["finish_reason"] == "cancelled"
        assert event.result["text"] == "first"
        assert time.monotonic() - asked_at < 60


async def test_cancel_before_the_first_byte(script: Script) -> None:
    script.stall = True
    async with open_endpoint(find_target(script.url)) as server:
        async for event in server.chat(QUESTION):
            # The job tells that it has begun to ask.
            if not isinstance(event, Reply):
                await server.cancel()
    assert isinstance(event, Reply)
    assert event.result["finish_reason"] == "cancelled"
    assert "ttft_s" not in event.result["stats"]


async def test_nothing_there() -> None:
    with pytest.raises(InputRefused, match="does not answer: Connection refused"):
        await listen("http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    "url", ["http://example.com/v1", "https://10.0.0.1/v1", "http://127.0.0.1.example.com/v1"]
)
async def test_other_machines_need_a_yes(url: str) -> None:
    with pytest.raises(UsageError, match="another machine") as caught:
        await listen(url)
    assert "--network" in caught.value.hint
    with pytest.raises(UsageError, match="another machine"):
        await find_servers(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://:80/v1",
        "http://a@localhost/v1",
        "http://x:y/",
        "http://localhost/v1?key=1",
        "http://localhost/a b",
    ],
)
async def test_bad_addresses(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        await listen(url)


def test_loopback() -> None:
    assert is_loopback("http://localhost:1/v1")
    assert is_loopback("http://[::1]:1/v1")
    assert is_loopback("http://127.9.9.9/v1")
    assert not is_loopback("http://0.0.0.0/v1")
    assert not is_loopback("http://localhost.evil/v1")


def test_only_names_are_models() -> None:
    entries = [{"id": "a"}, {"id": ""}, {"id": "x" * 301}, {"id": 4}, "b", None]
    assert model_ids({"data": entries}) == ["a"]
    for wrong in (None, [], {"data": {"id": "a"}}, {"data": "a"}):
        assert model_ids(wrong) == []
    assert len(model_ids({"data": [{"id": str(n)} for n in range(10_000)]})) == 500


# Finding servers and the key -------------------------------------------------------------------


async def test_servers_are_looked_for_side_by_side(script: Script) -> None:
    script.offer("tiny", "large")
    with serving() as other:
        other.models = b"<html>not this</html>"
        servers = await find_servers(
            known=(("Ollama", script.url), ("vLLM", "http://127.0.0.1:1/v1"), ("web", other.url))
        )
    assert [server["ok"] for server in servers] == [True, False, False]
    assert servers[0]["models"] == ["tiny", "large"]
    assert servers[0]["seconds"] > 0
    assert "does not answer" in servers[1]["sentence"]
    assert "cannot be used" in servers[2]["sentence"]


@pytest.mark.slow
async def test_the_key_goes_only_where_it_was_meant_to(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.say("x")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-theirs")
    monkeypatch.setenv("FIRSTLIGHT_API_KEY", "ours")
    await find_servers(known=(("Ollama", script.url),))
    assert "Authorization" not in script.headers[-1]
    await find_servers(script.url + "/")
    assert script.headers[-1]["Authorization"] == "Bearer ours"
    await listen(script.url)
    assert script.headers[-1]["Authorization"] == "Bearer ours"
    assert "sk-theirs" not in json.dumps(script.headers)
    script.lines = [event({"error": {"message": "Is ours your key?"}})]
    with pytest.raises(InputRefused, match="Is <key> your key"):
        await listen(script.url)
    script.status = 401
    with pytest.raises(InputRefused, match="refuses the API key") as caught:
        await listen(script.url)
    assert "FIRSTLIGHT_API_KEY" in caught.value.hint
    assert "ours" not in str(caught.value) + caught.value.hint + caught.value.detail


def test_a_key_is_a_header() -> None:
    assert api_key({"FIRSTLIGHT_API_KEY": " "}) is None
    assert api_key({"FIRSTLIGHT_API_KEY": "a-b\n"}) == "a-b"
    with pytest.raises(UsageError, match="no API key has"):
        api_key({"FIRSTLIGHT_API_KEY": "a\r\nHost: b"})
