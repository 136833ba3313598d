"""Olive as one would run it by hand: `python bench/hand_olive.py CONFIG`.

olive-ai 0.13 does not run with onnxruntime-genai 0.18 without the compatibility layer, so that is installed here too.
"""

import json
import sys
from pathlib import Path

from firstlight_core.jobs.olive_bridge import install

if __name__ == "__main__":
    install()
    from olive.workflows import run

    output = run(json.loads(Path(sys.argv[1]).read_text()))
    sys.exit(0 if output.has_output_model() else 1)
