"""Runs a serve.sh that Firstlight wrote, in the environment of `make test-vllm`, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

READY_SECONDS = 300.0
STOP_SECONDS = 60.0


def vllm_environment() -> Path | None:
    """The folder of the environment's programs; None when this is no run of `make test-vllm`."""
    folder = os.environ.get("FIRSTLIGHT_VLLM")
    return Path(folder).absolute() if folder else None


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers."""

    base_url: str
    process: psutil.Process
    ready_seconds: float

    def memory_bytes(self) -> int:
        """Memory of all its processes, what they share counted once."""
        listed = [self.process, *self.process.children(recursive=True)]
        return sum(int(p.memory_full_info().pss) for p in listed if p.status() != "zombie")


@contextmanager
def serving(script: Path, log: Path) -> Iterator[Server]:
    """Start `script` on a free port, wait until it lists its models, and end it as Ctrl-C does.

    Fails when it does not start, does not end, or leaves a process behind.
    """
    programs = vllm_environment()
    assert programs is not None
    port = _free_port()
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    began = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["sh", str(script), "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    family: list[psutil.Process] = []
    try:
        base_url = f"http://127.0.0.1:{port}/v1"
        while not _lists_models(base_url):
            assert time.perf_counter() - began < READY_SECONDS, _tail(log)
            # Waiting for its end is the pause between two questions.
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(_tail(log))
        ready = time.perf_counter() - began
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
        yield Server(base_url=base_url, process=parent, ready_seconds=ready)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=STOP_SECONDS) == 0, _tail(log)
        left = psutil.wait_procs(family, timeout=STOP_SECONDS)[1]
        assert not [p for p in left if p.status() != "zombie"], left
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _lists_models(base_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base_url}/models", timeout=5) as answer:
            return bool(json.load(answer)["data"])
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]
