"""Three precisions under three names, served to every kind of client with streaming, undone without a trace."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from firstlight_core.deploy.deployment import deploy, list_deployments, undo
from firstlight_core.foundry.service import open_service
from tests.core.deploy.test_deployment import left_behind, registered
from tests.support.program import run_firstlight
from tests.support.schemas import checked

QUESTION = "What is int4 quantization?"
ANSWER = (
    "int4 stores each weight in 4 bits, half a byte, so a model shrinks to about an eighth of fp32."
)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.usefixtures("clean_children")
async def test_three_precisions_answer_stream_and_go(artifact: Callable[[str], Path]) -> None:
    from openai import AsyncOpenAI

    ids = []
    for precision in ("int4", "int8", "fp32"):
        document = await deploy(artifact(precision), f"sample-{precision}", question=QUESTION)
        assert document["verified"] and document["load_seconds"] > 0, document
        assert document["answer"] == document["artifact_answer"] == ANSWER
        ids.append(document["id"])
    assert await registered() == sorted(ids) == ["sample-fp32:1", "sample-int4:1", "sample-int8:1"]
    assert [d.precision for d in list_deployments()] == ["fp32", "int4", "int8"]
    for deployment in list_deployments():
        async with (
            open_service(deployment.name) as service,
            AsyncOpenAI(base_url=service.base_url, api_key="x", max_retries=0) as client,
        ):
            assert service.model == deployment.id
            stream = await client.chat.completions.create(
                model=service.model,
                max_tokens=40,
                temperature=0,
                stream=True,
                messages=[{"role": "user", "content": QUESTION}],
            )
            pieces = [part.choices[0].delta.content or "" async for part in stream if part.choices]
        assert len([piece for piece in pieces if piece]) > 3
        assert "".join(pieces).strip() == ANSWER
    for deployment in list_deployments():
        await undo(deployment.name)
    assert list_deployments() == [] and await registered() == [] and left_behind() == []


def first_document(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The JSON document that a verb prints while it goes on."""
    assert process.stdout is not None and process.stderr is not None
    lines = [process.stdout.readline()]
    while lines[-1].rstrip() != "}":
        assert lines[-1], process.stderr.read()
        lines.append(process.stdout.readline())
    document: dict[str, Any] = json.loads("".join(lines))
    return document


def answers(command: Sequence[str], text: str, **environ: str) -> str:
    """What a client program says, given its text on stdin; the service samples, so it may be anything."""
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    return done.stdout


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_serve_says_where_it_serves_and_ends_with_its_service(
    own_artifact: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "firstlight_tui", "serve", str(own_artifact), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FIRSTLIGHT_HOME": str(tmp_path / "own")},
        stdin=subprocess.DEVNULL,
    ) as process:
        try:
            document = first_document(process)
            assert document["ok"] and document["schema"] == "firstlight/serve/1"
            snippets = {
                key: text.replace("Hello", QUESTION) for key, text in document["snippets"].items()
            }
            assert answers([sys.executable, "-"], snippets["python"])
            if shutil.which("curl"):
                assert "choices" in answers(["sh"], snippets["curl"])
            if shutil.which("node"):
                assert answers(
                    ["node", "--input-type=module"], snippets["javascript"], NODE_OPTIONS=""
                )
            # A client that names no address finds it in the environment.
            asks = f"""
from openai import OpenAI
answer = OpenAI().chat.completions.create(
    model="{document["model"]}", max_tokens=40, messages=[{{"role": "user", "content": "{QUESTION}"}}]
)
print(answer.choices[0].message.content)
"""
            shell = (
                f"{snippets['environment']}exec {sys.executable} - <<'PROGRAM'\n{asks}\nPROGRAM\n"
            )
            assert answers(["sh"], shell)
            process.send_signal(number)
            assert process.wait(20) == 130
            assert process.stderr is not None and "Traceback" not in process.stderr.read()
        finally:
            # Without it a failed assertion would wait for the service for ever.
            process.kill()
    assert not psutil.pid_exists(document["pid"])


@pytest.mark.real
@pytest.mark.slow
def test_the_agent_frameworks_snippet_answers(own_artifact: Path, tmp_path: Path) -> None:
    """Where Microsoft's Agent Framework is installed: `FIRSTLIGHT_AGENT_PYTHON`, or this Python itself."""
    python = os.environ.get("FIRSTLIGHT_AGENT_PYTHON", sys.executable)
    looks = subprocess.run([python, "-c", "import agent_framework.openai"], capture_output=True)
    if looks.returncode != 0:
        pytest.skip("the Agent Framework is not installed")
    home = tmp_path / "own"
    code, document, _ = firstlight("serve", str(own_artifact), "--background", home=home)
    try:
        assert code == 0
        text = document["snippets"]["agent_framework"].replace("Hello", QUESTION)
        assert answers([python, "-"], text)
    finally:
        firstlight("serve", "--stop", home=home)


@pytest.mark.real
@pytest.mark.slow
def test_a_service_that_stays_is_listed_and_stopped_by_the_verbs(
    own_artifact: Path, tmp_path: Path
) -> None:
    home = tmp_path / "own"
    code, document, _ = firstlight("serve", str(own_artifact), "--background", home=home)
    assert (code, document["schema"], document["background"]) == (0, "firstlight/serve/1", True)
    try:
        assert psutil.pid_exists(document["pid"])
        code, again, _ = firstlight("serve", str(own_artifact), "--background", home=home)
        assert code == 2 and "served already" in again["error"]["message"]
        code, listed, _ = firstlight("serve", home=home)
        assert code == 0 and listed["running"][0]["base_url"] == document["base_url"]
        code, cleaned, _ = firstlight("clean", home=home)
        assert [row["kept"] for row in cleaned["left_overs"] if row["kind"] == "service"] == [True]
        code, none, _ = firstlight("serve", "--stop", "other", home=home)
        assert code == 2 and none["error"]["code"] == "usage"
    finally:
        code, stopped, _ = firstlight("serve", "--stop", home=home)
    assert code == 0 and stopped["stopped"][0]["pid"] == document["pid"]
    assert not psutil.pid_exists(document["pid"])
    code, nothing, _ = firstlight("serve", home=home)
    assert code == 2 and "Name what is to be served" in nothing["error"]["message"]


def firstlight(*arguments: str, home: Path) -> tuple[int, dict[str, Any], str]:
    done = run_firstlight(
        *arguments, "--json", environ={**os.environ, "FIRSTLIGHT_HOME": str(home)}
    )
    return done.returncode, checked(json.loads(done.stdout)), done.stderr


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
    code, document, _ = firstlight("deploy", "--doctor", home=home)
    assert code == 0 and document["folders"][0]["listed"] and document["registered"][0]["there"]
    code, document, _ = firstlight("deploy", "--doctor", "--name", "two", home=home)
    assert code == 1 and document["folders"][0]["reasons"] == ["There is no such folder."]
    code, document, _ = firstlight("deploy", "--doctor", "--cache", "cloud", home=home)
    assert code == 2 and "no cache 'cloud'" in document["error"]["message"]
    code, document, _ = firstlight("deploy", str(own_artifact), home=home)
    assert code == 2 and document["error"]["message"] == "Name the deployment."
    code, document, _ = firstlight("deploy", "--name", "one", "--undo", home=home)
    assert code == 0 and document["removed"]
    code, document, error = firstlight("deploy", str(tmp_path / "no"), "--name", "x", home=home)
    assert code == 1 and "Traceback" not in error
