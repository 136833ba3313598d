"""connect, chat, bench and quality on a server, as a script calls them; piped questions."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import faultkit
from tests.support.program import run_firstlight as call
from tests.support.schemas import checked
from tests.support.scripted_server import Script, piece, serving


@pytest.fixture
def script() -> Iterator[Script]:
    with serving() as script:
        script.say("All", " is", " well.")
        script.counts = True
        yield script


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return checked(json.loads(done.stdout))


# Piped questions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["hi\n", "one\ntwo\n\nthree", "  ünï 👍\n"])
def test_a_piped_question_is_asked_whole(script: Script, message: str) -> None:
    done = call("chat", script.url, "--json", message=message)
    assert (done.returncode, document(done)["text"]) == (0, "All is well.")
    assert script.requests[0]["messages"] == [{"role": "user", "content": message.rstrip("\n")}]


def test_what_a_windows_pipe_adds_is_not_asked(script: Script) -> None:
    done = call("chat", script.url, "--json", message="\ufeffone\r\ntwo\r\n")
    assert done.returncode == 0
    assert script.requests[0]["messages"] == [{"role": "user", "content": "one\ntwo"}]


def test_nothing_to_ask_says_what_to_do(script: Script) -> None:
    done = call("chat", script.url, "--json")
    assert done.returncode == 2
    error = document(done)["error"]
    assert error["message"] == "There is nothing to ask."
    assert "--prompt" in error["hint"] and "pipe it in" in error["hint"]
    assert script.requests == []


# Servers -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_connect_lists_models_as_targets(script: Script) -> None:
    script.offer("small", "large", faultkit.PAYLOAD)
    done = call("connect", script.url.removesuffix("/v1"), "--json")
    assert done.returncode == 0
    document_read = document(done)
    assert document_read["schema"] == "firstlight/connect/1"
    assert document_read["targets"][:2] == [f"{script.url}#small", f"{script.url}#large"]
    assert call("chat", document_read["targets"][0], "--prompt", "hi").returncode == 0
    assert script.requests[0]["model"] == "small"
    done = call("connect", script.url)
    assert f"{script.url}#large" in done.stdout
    assert faultkit.leaks((done.stdout + done.stderr).encode()) == []


def test_connect_without_an_address_asks_the_usual_ports() -> None:
    done = call("connect", "--json")
    assert done.returncode == 0
    servers = document(done)["servers"]
    assert {"Ollama", "vLLM", "llama.cpp", "LM Studio"} <= {s["name"] for s in servers}
    assert all(server["ok"] or server["sentence"] for server in servers)


@pytest.mark.slow
def test_bench_and_quality_on_a_server(script: Script) -> None:
    done = call(
        *("bench", script.url, "--lengths", "20", "--repeats", "1", "--new-tokens", "4"),
        *("--clients", "1,2", "--json"),
    )
    (result,) = document(done)["results"]
    assert [level["clients"] for level in result["clients"]] == [1, 2]
    assert "rss_bytes" not in result
    done = call("bench", script.url, "--lengths", "20", "--repeats", "1", "--clients", "2")
    assert done.returncode == 0
    assert "2 clients, " in done.stdout and "requests/s" in done.stdout
    done = call("quality", script.url, script.url + "#one", "--json")
    assert done.returncode == 0
    checked = document(done)["artifacts"]
    assert [target["target"] for target in checked] == [script.url, script.url + "#one"]
    for target in checked:
        status = {check["id"]: check for check in target["checks"]}
        assert status["memory-leak"]["status"] == "not-run"
        assert "cannot be seen from outside" in status["memory-leak"]["evidence"]["summary"]
        assert status["edge-cases"]["status"] == "pass"
    done = call("quality", script.url, "--reference", "sample", "--json")
    assert (done.returncode, document(done)["error"]["code"]) == (2, "usage")


def broken(status: int = 200, *lines: bytes, **settings: Any) -> Callable[[Script], None]:
    def set_up(script: Script) -> None:
        script.status = status
        script.counts = False
        script.lines = list(lines)
        for name, value in settings.items():
            setattr(script, name, value)

    return set_up


FAULTS: dict[str, tuple[Callable[[Script], None], str]] = {
    "dies": (broken(200, piece("half")), "broke off in the middle"),
    "garbage": (broken(200, b"data: \xff\xfe{{\n\n"), "cannot be used"),
    "no HTTP": (broken(raw=b"\x00\x01\x02\r\n\r\n"), "does not speak HTTP"),
    "401": (broken(401), "wants an API key"),
    "500": (broken(500), "answers 500"),
    "later": (broken(429, more_headers={"Retry-After": "9999"}), "asks to wait"),
    "redirect": (broken(302, more_headers={"Location": "http://evil.example"}), "no redirect"),
    "huge": (broken(repeat=piece("x" * 400_000)), "more than 4 MB"),
    "no models": (broken(models=b'{"data": []}'), "0 models"),
    "hostile": (
        broken(200, b"data: " + json.dumps({"error": faultkit.PAYLOAD}).encode() + b"\n\n"),
        "reports",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_sentence_and_an_exit_code(script: Script, name: str) -> None:
    set_up, sentence = FAULTS[name]
    set_up(script)
    done = call("chat", script.url, "--prompt", "hi")
    assert done.returncode == (2 if name == "no models" else 1)
    message, hint = done.stderr.splitlines()[-2:]
    assert sentence in message and hint.startswith("  ")
    assert "Traceback" not in done.stderr
    assert faultkit.leaks((done.stdout + done.stderr).encode()) == []


@pytest.mark.slow
def test_a_dead_server_is_one_sentence_for_every_verb() -> None:
    for verb, more in (("chat", ["--prompt", "hi"]), ("bench", []), ("quality", [])):
        done = call(verb, "http://127.0.0.1:1/v1#m", *more, "--json")
        assert (done.returncode, document(done)["error"]["code"]) == (1, "refused")
        assert "127.0.0.1:1 does not answer: Connection refused." in done.stdout


def test_an_answer_without_end_is_cut(script: Script) -> None:
    script.repeat = piece("on ")
    script.lines = []
    done = call("chat", script.url, "--prompt", "hi", "--max-tokens", "5", "--json")
    assert (done.returncode, document(done)["finish_reason"]) == (0, "length")


@pytest.mark.parametrize("verb", ["chat", "bench", "quality", "connect"])
def test_another_machine_is_never_asked_unasked(verb: str) -> None:
    more = ["--prompt", "hi"] if verb == "chat" else []
    done = call(verb, "http://192.0.2.1/v1#m", *more, "--json")
    assert (done.returncode, document(done)["error"]["code"]) == (2, "usage")
    assert "--network" in document(done)["error"]["hint"]


def test_bench_streams_each_measurement_as_a_line(script: Script) -> None:
    done = call(
        *("bench", script.url, "--lengths", "20", "--repeats", "2", "--new-tokens", "4"),
        "--json-lines",
    )
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [line["event"] for line in lines]
    assert kinds[-1] == "document" and kinds.count("document") == 1
    figures = [line for line in lines if line["event"] == "measured"]
    assert [line["name"] for line in figures].count("ttft_s") == 2
    assert all(line["prompt_tokens"] == 20 for line in figures)
    assert {"stage", "progress"} <= set(kinds)
    checked({key: value for key, value in lines[-1].items() if key != "event"})
    # The figures came before the document, and are the same.
    samples = lines[-1]["results"][0]["cases"][0]["ttft_s"]["samples"]
    assert [line["value"] for line in figures if line["name"] == "ttft_s"] == samples


def test_an_error_is_the_last_line(script: Script) -> None:
    script.status = 500
    done = call("bench", script.url, "--lengths", "20", "--repeats", "1", "--json-lines")
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode != 0
    assert (last["event"], last["ok"]) == ("document", False) and last["error"]["message"]
