"""Writes what a run of `make test-vllm` found, into docs/vllm.json and docs/vllm.md."""

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlight_core.artifact.publishing import tool_versions
from firstlight_core.files import read_json_object, write_json, write_whole
from firstlight_core.measure.benchmark import machine
from firstlight_core.text import bytes_text, seconds_text

DOCS = Path(__file__).parents[2] / "docs"
_VERSIONS = "import importlib.metadata as m; print(*(m.version(n) for n in ('vllm', 'torch', 'transformers')))"


def surroundings(programs: Path) -> dict[str, Any]:
    """When, where, on which versions, and how busy the machine was."""
    done = subprocess.run(
        [str(programs / "python"), "-c", _VERSIONS], capture_output=True, text=True, timeout=60
    )
    vllm, torch, transformers = done.stdout.split()
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "versions": {
            "vllm": vllm,
            "its torch": torch,
            "its transformers": transformers,
            "python": platform.python_version(),
            **{
                k: v for k, v in tool_versions().items() if k in ("firstlight", "onnxruntime-genai")
            },
        },
    }


def write_figures(figures: Mapping[str, Any]) -> bool:
    """Write both files, unless this run was disturbed and the one before was not; whether they were written.

    Where a target lay on this machine is nobody else's matter.
    """
    for result in figures["bench"]["results"]:
        for field in ("target", "folder", "endpoint"):
            result.pop(field, None)
    earlier = DOCS / "vllm.json"
    if _disturbed(figures) and earlier.is_file() and not _disturbed(read_json_object(earlier)):
        return False
    write_json(earlier, figures)
    write_whole(DOCS / "vllm.md", _markdown(figures))
    return True


def _disturbed(figures: Mapping[str, Any]) -> bool:
    """Whether others worked so much that the times say more of them: two waiting for each processor, or void."""
    busy = figures["load_average_after"][0] > 2 * figures["machine"]["threads"]
    return busy or bool(figures["bench"]["void"])


def _markdown(figures: Mapping[str, Any]) -> str:
    where, versions = figures["machine"], figures["versions"]
    lines = [
        "# The sample model on vLLM",
        "",
        "Written by `make test-vllm` itself; every figure is in [vllm.json](vllm.json). Firstlight wrote the serve.sh,",
        "vLLM ran it on CPU, and Firstlight asked, measured and checked it as it does any other endpoint.",
        "",
        f"{figures['at']} · {where['cpu']}, {where['threads']} threads, {where['memory']}, {where['system']} · "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f" · load average {figures['load_average'][0]} before, {figures['load_average_after'][0]} after",
        "",
        f"    {figures['command']}",
        "",
        f"Ready after {seconds_text(figures['ready_seconds'])}; all its processes hold "
        f"{bytes_text(figures['memory_bytes'])}, 1 GiB of it KV cache. Stopped with one SIGINT, exit code 0, no process "
        f"left. vLLM's own parser knows the {figures['flags']} flags that Firstlight writes, for every size and adapters.",
        "",
        "## Are the answers the same?",
        f"{figures['prompts']['same']} of {figures['prompts']['conversations']} conversations of the template lock become "
        "the same prompt tokens in vLLM as in the artifact. "
        f"The sample's {figures['agreement']['fp32']['answers']} held-out questions, greedy, at most 96 tokens each. vLLM serves the original bf16 weights.",
        "",
        "| vLLM against | same text | same tokens up to the first difference |",
        "|---|---|---|",
    ]
    for name, agreement in figures["agreement"].items():
        lines.append(
            f"| the {name} artifact | {agreement['same_text']} of {agreement['answers']} | "
            f"{agreement['same_tokens']} of {agreement['tokens']} ({agreement['share']:.1%}) |"
        )
    adapter = figures["adapter"]
    lines += [
        "",
        f"A LoRA adapter is served on its base (`--enable-lora`), not merged: {adapter['same_text']} of "
        f"{adapter['answers']} answers about what only the adapter knows are those of the fp32 artifact of the merged "
        f"weights ({adapter['share']:.1%} of the tokens), and {adapter['base_differs']} differ from the base's own.",
        "",
        *_speed(figures["bench"]),
        "",
        "## Quality",
        "The sample's held-out questions with their expected keys. "
        + " ".join(
            f"{check['title']}: {check['status']} ({check['summary']})"
            for check in figures["quality"]["checks"]
        ),
        "",
        f"Verdict: {figures['quality']['verdict']}",
        "",
    ]
    return "\n".join(lines)


def _speed(bench: Mapping[str, Any]) -> list[str]:
    lines = [
        "## How fast?",
        "Firstlight's benchmark, interleaved; medians. For a model of 2.3 million parameters this is the cost of the",
        "server, not of the arithmetic: vLLM is made for many requests at once, on GPUs.",
        "",
        "| target | prompt tokens | TTFT | decode tokens/s |",
        "|---|---|---|---|",
    ]
    for result in bench["results"]:
        for case in result["cases"]:
            decode = case.get("decode_tps")
            lines.append(
                f"| {result['label']} | {case['prompt_tokens']} | {seconds_text(case['ttft_s']['median'])} | "
                + (f"{decode['median']:.0f} |" if decode else "not measured |")
            )
    levels = [level for result in bench["results"] for level in result.get("clients", [])]
    if levels:
        lines += [
            "",
            "| clients at once | requests | failed | requests/s | tokens/s together | latency p50 | p95 |",
            "|---|---|---|---|---|---|---|",
        ]
    for level in levels:
        lines.append(
            f"| {level['clients']} | {level['requests']} | {level['errors']} | {level['requests_per_s']:.1f} | "
            f"{level['tokens_per_s']:.0f} | {seconds_text(level['latency_s']['p50'])} | "
            f"{seconds_text(level['latency_s']['p95'])} |"
        )
    return [*lines, "", *(f"- {note}" for note in bench["notes"])]
