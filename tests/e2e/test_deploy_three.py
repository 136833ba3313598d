"""Three precisions under three names, served to openai-python with streaming, undone without a trace."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.deploy.deployment import deploy, list_deployments, undo
from firstlight_core.deploy.serving import open_service

QUESTION = "What is int4 quantization?"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.usefixtures("clean_children")
async def test_three_precisions_answer_stream_and_go(artifact: Callable[[str], Path]) -> None:
    from openai import AsyncOpenAI

    for precision in ("int4", "int8", "fp32"):
        document = await deploy(artifact(precision), f"sample-{precision}", question=QUESTION)
        assert document["verified"], document
        assert "4 bits" in document["answer"]
    assert [d.precision for d in list_deployments()] == ["fp32", "int4", "int8"]
    for found in list_deployments():
        async with (
            open_service(found.name) as service,
            AsyncOpenAI(base_url=service.base_url, api_key="x", max_retries=0) as client,
        ):
            assert service.model == found.id
            stream = await client.chat.completions.create(
                model=service.model,
                max_tokens=40,
                temperature=0,
                stream=True,
                messages=[{"role": "user", "content": QUESTION}],
            )
            pieces = [part.choices[0].delta.content or "" async for part in stream if part.choices]
        assert len([piece for piece in pieces if piece]) > 3
        assert "4 bits" in "".join(pieces)
    for found in list_deployments():
        await undo(found.name)
    assert list_deployments() == []


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_serve_says_where_it_serves_and_ends_with_its_service(
    own_artifact: Path, tmp_path: Path, number: signal.Signals
) -> None:
    import psutil
    from openai import OpenAI

    with subprocess.Popen(
        [sys.executable, "-m", "firstlight_tui", "serve", str(own_artifact), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FIRSTLIGHT_HOME": str(tmp_path / "own")},
        stdin=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1].rstrip() != "}":
            assert lines[-1], process.stderr.read() if process.stderr else ""
            lines.append(process.stdout.readline())
        document = json.loads("".join(lines))
        assert document["ok"] and document["schema"] == "firstlight/serve/1"
        with OpenAI(base_url=document["base_url"], api_key="x", max_retries=0) as client:
            answer = client.chat.completions.create(
                model=document["model"],
                max_tokens=40,
                temperature=0,
                messages=[{"role": "user", "content": QUESTION}],
            )
        assert "4 bits" in str(answer.choices[0].message.content)
        curl = shutil.which("curl")
        if curl is not None:
            done = subprocess.run(
                ["sh", "-c", document["snippets"]["curl"]], capture_output=True, timeout=60
            )
            assert b"choices" in done.stdout
        snippet = subprocess.run(
            [sys.executable, "-c", document["snippets"]["python"]],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert snippet.returncode == 0 and snippet.stdout.strip(), snippet.stderr
        process.send_signal(number)
        assert process.wait(20) == 130
        assert process.stderr is not None and "Traceback" not in process.stderr.read()
    assert not psutil.pid_exists(document["pid"])


def firstlight(*arguments: str, home: Path) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", *arguments, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "FIRSTLIGHT_HOME": str(home)},
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.real
@pytest.mark.slow
def test_the_verbs_and_their_exit_codes(own_artifact: Path, tmp_path: Path) -> None:
    home = tmp_path / "own"
    code, document, _ = firstlight("template", str(own_artifact), home=home)
    assert (code, document["locked"], document["schema"]) == (0, True, "firstlight/template/1")
    course = tmp_path / "course.json"
    fields = document["inference_model"]
    fields["PromptTemplate"]["prompt"] = fields["PromptTemplate"]["prompt"].removesuffix("\n")
    course.write_text(json.dumps(fields))
    code, document, _ = firstlight("template", str(own_artifact), "--set", str(course), home=home)
    assert code == 1 and not document["ok"]
    assert "lacks the newline after `assistant`: 1 token" in document["error"]["message"]
    code, document, _ = firstlight(
        "template", str(own_artifact), "--set", str(course), "--force", home=home
    )
    assert code == 1 and document["locked"] is False and document["written"]
    code, document, _ = firstlight("template", str(own_artifact), "--mend", home=home)
    assert code == 0 and document["locked"]
    code, document, _ = firstlight("deploy", str(own_artifact), "--name", "one", home=home)
    assert code == 0 and document["verified"] and document["answer"]
    code, document, _ = firstlight("deploy", str(own_artifact), "--name", "one", home=home)
    assert code == 1 and document["error"]["message"] == "The name one is taken."
    code, document, _ = firstlight("deploy", str(own_artifact), "--name", "a b", home=home)
    assert code == 2 and document["error"]["code"] == "usage"
    code, document, _ = firstlight("deploy", "--name", "one", "--undo", home=home)
    assert code == 0 and document["removed"]
    code, document, error = firstlight("deploy", str(tmp_path / "no"), "--name", "x", home=home)
    assert code == 1 and "Traceback" not in error
