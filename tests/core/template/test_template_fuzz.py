"""Fuzzed chat templates, really rendered by the job's own functions in a limited child: text or one sentence, never more.

`FIRSTLIGHT_FUZZ=20000` for the long run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.template_families import FAMILIES, write_family

EXAMPLES = int(os.environ.get("FIRSTLIGHT_FUZZ", "400"))
SLOW_SECONDS = 2

_CHILD = """
import json, random, signal, sys, time
from pathlib import Path
from firstlight_core.errors import TemplateRefused
from firstlight_core.jobs.render import _render_one, _open_jinja
folder, count, slow_seconds, seeds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
PIECES = [
    "{%", "%}", "{{", "}}", "{#", "#}", "{%-", "-%}", " for m in messages ", " endfor ", " if ", " else ", " endif ",
    " set x = 1 ", " set ns = namespace(a=0) ", " macro f(n) ", " endmacro ", "f(1)", "m.role", "m['content']", "m",
    "messages", "messages[0]['content']", "loop.first", "loop.index", "add_generation_prompt", "bos_token", "range(3)",
    "range(99999)", "|trim", "|tojson", "|length", "|upper", "'<|im_end|>'", "'user'", "==", "~", "+", "**", "99", "0",
    "not ", " in ", " is defined", "raise_exception('no')", "strftime_now('%Y')", "\\n", "text", "\\x1b[31m", "\\u202e",
    "self", ".__class__", ".__globals__", "lipsum", "cycler", "joiner", "'x' * 9", "[1, 2]", "{'a': 1}", " break ",
]
TALKS = [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}], "add_generation_prompt": a} for a in (True, False)]
class Slow(Exception): pass
def ring(*_): raise Slow("took too long")
signal.signal(signal.SIGALRM, ring)
draw = random.Random(7)
seen = {"text": 0, "error": 0, "refused": 0, "slow": 0, "surprises": []}
for number in range(count):
    if draw.random() < 0.5:
        source = "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 30)))
    else:
        # A real template with a few pieces lost, doubled or put in.
        text = list(draw.choice(seeds))
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(text))
            text[at : at + draw.randint(0, 8)] = draw.choice(PIECES)
        source = "".join(text)
    signal.setitimer(signal.ITIMER_REAL, slow_seconds)
    try:
        render = _open_jinja(folder, source, {})[0]
        for talk in TALKS:
            found = _render_one(render, None, talk)
            seen["text" if "text" in found else "error"] += 1
            assert set(found) <= {"text", "error"} and len(found.get("text", "")) <= 256_000
    except TemplateRefused as error:
        assert str(error) and "\\x1b" not in str(error) and "\\u202e" not in str(error)
        seen["refused"] += 1
    except Slow:
        seen["slow"] += 1
    except BaseException as error:
        seen["surprises"].append([source[:300], repr(error)[:300]])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
print(json.dumps(seen))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs an interval timer")
def test_a_fuzzed_template_renders_or_says_why_not(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "family", FAMILIES[0])
    seeds = json.dumps([family.template for family in FAMILIES])
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, folder, str(EXAMPLES), str(SLOW_SECONDS), seeds],
        capture_output=True,
        text=True,
        check=False,
        timeout=EXAMPLES,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["surprises"] == []
    assert seen["text"] and seen["error"] and seen["refused"], seen
