"""The original in transformers: read offline, from safetensors only, and without running anything of its folder."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.artifact.tokenizer_files import read_chat_template
from firstlight_core.counters import load_average
from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import FirstlightError, ModelRefused, ToolchainMissing
from firstlight_core.jobs import torch_parts, transformers_index
from firstlight_core.jobs.tensor_check import refuse_missing
from firstlight_core.model.adapter import WEIGHTS
from firstlight_core.model.folder import list_folder
from firstlight_core.model.own_files import own_files, token_rows
from firstlight_core.model.safetensors_headers import read_header
from firstlight_core.process.loading import without_collections
from firstlight_core.text import one_line

_SAFE = {"local_files_only": True, "trust_remote_code": False}


def import_transformers() -> tuple[Any, Any]:
    """torch and transformers.

    Raises:
        ToolchainMissing: one of them cannot be imported.
    """
    loaded = "transformers.modeling_utils" in sys.modules
    try:
        with contextlib.nullcontext() if loaded else without_collections():
            import torch

            if not loaded:
                torch_parts.install()
            import transformers

            if not loaded:
                transformers_index.install()
            import transformers.modeling_utils
    except ImportError as error:
        raise ToolchainMissing(
            f"The original cannot be run: {one_line(str(error))}",
            hint=f"Install the conversion tools: {install_line('convert')}",
        ) from error
    transformers.utils.logging.set_verbosity_error()
    return torch, transformers


def idle_cores() -> int:
    """Return the number of idle cores: torch's threads wait busily, which on a busy machine costs 4 ×."""
    cores = os.cpu_count() or 1
    load = load_average()
    return max(1, min(cores, round(cores + 1 - load)))


@contextlib.contextmanager
def idle_threads() -> Iterator[None]:
    """As many threads of torch as there are idle cores, while the block runs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(idle_cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_tokenizer(source: Path, base: str | None) -> Any:
    """Return the tokenizer a user of transformers gets: the adapter's own, where its folder has one.

    Raises:
        OSError, ValueError: transformers cannot load it.
    """
    _, transformers = import_transformers()
    own = own_files(source, Path(base) if base else None)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(own.tokenizer), **_SAFE)
    if own.template != own.tokenizer and (template := read_chat_template(own.template)):
        tokenizer.chat_template = template
    return tokenizer


def load_original(source: Path, base: str | None, *, exact: bool = True) -> tuple[Any, Any]:
    """Tokenizer and model; in float32 when `exact`, else as it is stored. `base` is that of a LoRA adapter.

    An adapter stays beside its base, as PEFT runs it: what a conversion merges is held against this.

    Raises:
        ToolchainMissing: torch or transformers is not installed.
        ModelRefused: transformers cannot load it, or tensors are missing.
    """
    torch, transformers = import_transformers()
    torch.manual_seed(0)
    try:
        tokenizer = load_tokenizer(source, base)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            base or str(source),
            dtype=torch.float32 if exact else "auto",
            use_safetensors=True,
            output_loading_info=True,
            **_SAFE,
        )
        refuse_missing(Path(base or source), model, report)
        own = own_files(source, Path(base) if base else None)
        if base is not None:
            if own.generation == source:
                model.generation_config = transformers.GenerationConfig.from_pretrained(
                    str(source), local_files_only=True
                )
            model = _with_adapter(model, source)
    except FirstlightError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError) as error:
        raise ModelRefused(
            f"transformers cannot load the original: {one_line(str(error), 300)}",
            hint="firstlight inspect SOURCE says what is wrong with the folder.",
        ) from error
    return tokenizer, model.eval()


def _with_adapter(model: Any, adapter: Path) -> Any:
    """Return the model with its adapter beside it, and with as many token rows as the adapter was trained on."""
    import peft

    rows = adapter_rows(adapter)
    if rows and rows != model.get_input_embeddings().weight.shape[0]:
        # Fewer, too: resizing to the tokenizer's length cuts the padding of the base's table.
        model.resize_token_embeddings(rows)
    return peft.PeftModel.from_pretrained(model, str(adapter))


def adapter_rows(adapter: Path) -> int:
    """Return how many token rows the tensors of an adapter have; 0 when it holds no token table."""
    members = list_folder(adapter).files
    if WEIGHTS not in members:
        return 0
    tensors = read_header(members[WEIGHTS])
    return max(
        (rows for name, tensor in tensors.items() if (rows := token_rows(name, tensor))), default=0
    )


def stop_ids(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end an answer of the original."""
    ids: set[int] = set()
    for value in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        values = value if isinstance(value, list) else [value]
        ids.update(int(i) for i in values if i is not None)
    return ids


def check_finite(torch: Any, logits: Any) -> None:
    """Refuse an original that computes NaN or infinity.

    Raises:
        ModelRefused: it does.
    """
    if not bool(torch.isfinite(logits).all()):
        raise ModelRefused(
            "The original computes numbers that are not finite.",
            hint="Its weights are damaged: copy or download the model again.",
        )


class Forward:
    """The forward pass of one text: token chunks in, logits out, the KV cache kept in between."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._torch, _ = import_transformers()
        self._past: Any = None

    def __call__(self, chunk: Sequence[int]) -> Any:
        """Float32 logits (vocabulary,) after the chunk.

        Raises:
            ModelRefused: they are not finite.
        """
        output = self._model(
            input_ids=self._torch.tensor([list(chunk)]),
            past_key_values=self._past,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = output.logits[0, -1].float()
        check_finite(self._torch, logits)
        self._past = output.past_key_values
        return logits
