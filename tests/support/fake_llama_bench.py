"""A llama-bench that cannot be had in CI: it says what the real one says, at a speed that the test names.

`fake_llama_bench(folder, prefill_tps=…, decode_tps=…)` writes the program and a file that begins like a GGUF.
"""

import sys
from pathlib import Path

_PROGRAM = """#!{python}
import json, sys, time

arguments = sys.argv[1:]
if "--help" in arguments:
    print("  -p, --n-prompt <n>\\n  -d, --n-depth <n>\\n  -o, --output <csv|json|jsonl|md|sql>")
    sys.exit(0)
value = dict(zip(arguments[::2], arguments[1::2]))
assert value["-o"] == "jsonl" and value["-r"] == "1" and value["-ngl"] == "0", arguments
with open(value["-m"], "rb") as model:
    assert model.read(4) == b"GGUF"
with open({calls!r}, "a") as calls:
    calls.write(" ".join(arguments) + "\\n")
    told = calls.tell()
if {fails_after} and len(open({calls!r}).read().splitlines()) > {fails_after}:
    print("error: failed to decode prompt batch", file=sys.stderr)
    sys.exit(1)
prompt, new = int(value["-p"]), int(value["-n"])
seconds = prompt / {prefill_tps} + new / {decode_tps}
print("ggml: no graphics card", file=sys.stderr)
print(json.dumps({{
    "build_commit": "abc1234", "build_number": 11434, "model_type": "llama 135M Q4_0",
    "n_prompt": prompt, "n_gen": new, "n_depth": int(value.get("-d", 0)), "n_threads": int(value["-t"]),
    "avg_ns": int(1e9 * seconds), "avg_ts": (prompt + new) / seconds,
}}))
"""


def fake_llama_bench(
    folder: Path, *, prefill_tps: float, decode_tps: float, fails_after: int = 0
) -> tuple[Path, Path, Path]:
    """Return the program, a model file for it, and the file where each call is written."""
    folder.mkdir(parents=True, exist_ok=True)
    program, model, calls = folder / "llama-bench", folder / "model.gguf", folder / "calls.txt"
    program.write_text(
        _PROGRAM.format(
            python=sys.executable,
            calls=str(calls),
            prefill_tps=prefill_tps,
            decode_tps=decode_tps,
            fails_after=fails_after,
        )
    )
    program.chmod(0o755)
    model.write_bytes(b"GGUF" + bytes(60))
    return program, model, calls
