"""Loading transformers reads the files of its models once, and knows the same classes."""

import json
import subprocess
import sys

import pytest

LOAD = """
import json, sys
sys.modules["torch"] = None
if sys.argv[1:]:
    from firstlight_core.jobs import transformers_index
    transformers_index.install()
from transformers.utils import import_utils
reads = []
fetch = import_utils.fetch__all__
import_utils.fetch__all__ = lambda content: reads.append(1) or fetch(content)
from transformers import AutoTokenizer
models = sys.modules["transformers.models"]
print(json.dumps([len(reads), models._class_to_module, sorted(models._object_missing_backend)]))
"""


@pytest.mark.real
@pytest.mark.slow
def test_the_files_are_read_once_and_every_class_is_where_it_was() -> None:
    outputs = []
    for installed in ([], ["installed"]):
        done = subprocess.run(
            [sys.executable, "-P", "-c", LOAD, *installed],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(json.loads(done.stdout.splitlines()[-1]))
    (reads, *plain), (reads_installed, *adjusted) = outputs
    assert adjusted == plain
    assert reads_installed < reads / 10
