"""transformers is loaded without torch's compiler, which comes, real and whole, when somebody asks for it."""

import subprocess
import sys

import pytest

LOAD = """
import importlib, os, sys
from firstlight_core.jobs import torch_parts
from firstlight_core.jobs.transformers_model import import_transformers
torch, transformers = import_transformers()
from transformers import LlamaConfig, LlamaForCausalLM, masking_utils
config = LlamaConfig(
    vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
)
torch.manual_seed(0)
model = LlamaForCausalLM(config).eval()
tokens = torch.arange(9)[None]
with torch.no_grad():
    before = model(tokens).logits
heavy = ("torch._dynamo.", "torch.distributed.tensor", "torch._inductor")
loaded = [name for name in sys.modules if name.startswith(heavy)]
assert loaded == ["torch._dynamo._trace_wrapped_higher_order_op"], loaded
marked = lambda: 7
assert torch.compiler.disable(marked) is marked and torch.compiler.disable(recursive=False)(marked) is marked

if os.fork() == 0:
    # A part that the package loads itself is there once.
    import torch._dynamo.utils as utils
    assert utils is sys.modules["torch._dynamo"].utils and utils.counters is not None
    # One that it does not load is found.
    importlib.import_module("torch._dynamo.testing").CompileCounter
    torch_parts.install()
    assert not isinstance(sys.modules["torch._dynamo"], torch_parts._Compiler)
else:
    context = masking_utils.TransformGetItemToIndex()
    from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
    assert type(context) is TransformGetItemToIndex
    assert torch._dynamo.config.cache_size_limit > 0
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
from torch._dynamo.eval_frame import OptimizedModule
assert torch._dynamo.OptimizedModule is OptimizedModule
with torch.no_grad():
    assert torch.equal(model(tokens).logits, before)
    compiled = torch.compile(model, backend="eager")
    assert isinstance(compiled, OptimizedModule)
"""


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_the_compiler_is_loaded_when_it_is_asked_for_and_not_before() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOAD], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
