"""The original in transformers: a greedy continuation of every prompt, and its log-probabilities.

They are written to a file, row by row, because one prompt of a 150,000-token vocabulary already fills 39 MB.
"""

import json
import time
from pathlib import Path
from typing import Any

from firstlight_core.errors import ModelRefused, ToolchainMissing
from firstlight_core.events import Progress, Stage
from firstlight_core.jobs.conversation import Conversation
from firstlight_core.text import one_line, visible
from firstlight_core.worker import JobContext, peak_rss


def reference(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Write `rows` and describe them.

    Asked: source, base (for a LoRA adapter), conversations, new_tokens, rows (a new file), dtype. The file holds one
    row a continuation token: natural log-probabilities over the whole vocabulary, that predict this token.
    Result: vocab, dtype, prompts[] {ids (prompt and continuation), prompt_tokens, text, first_row}, forward_s.
    """
    context.emit(Stage("reference", "Loading the original"))
    try:
        import numpy as np
        import torch
        import transformers
    except ImportError as error:
        raise ToolchainMissing(
            f"The original cannot be run: {one_line(str(error))}",
            hint='Install the conversion tools: pip install "firstlight[convert]"',
        ) from error
    source = Path(str(request["source"]))
    base = request.get("base")
    # An adapter folder may bring its own tokenizer and template, or leave them to its base.
    own = base is None or (source / "tokenizer_config.json").exists()
    texts = source if own else Path(str(base))
    tokenizer, model = _load(transformers, torch, source, base, texts)
    conversation = Conversation(texts)
    stops = _stop_ids(model, tokenizer)
    prompts: list[dict[str, Any]] = []
    row = 0
    forward = 0.0
    with Path(str(request["rows"])).open("xb") as rows, torch.inference_mode():
        for number, messages in enumerate(request["conversations"]):
            text = conversation.render(messages)
            ids = [int(i) for i in tokenizer(text, add_special_tokens=False)["input_ids"]]
            began = time.perf_counter_ns()
            steps = _continue(model, torch, ids, int(request["new_tokens"]), stops)
            out: list[int] = []
            for token, logprobs in steps:
                rows.write(np.ascontiguousarray(logprobs, dtype=request["dtype"]).tobytes())
                out.append(token)
            forward += (time.perf_counter_ns() - began) / 1e9
            prompts.append(
                {
                    "ids": ids + out,
                    "prompt_tokens": len(ids),
                    "text": visible(tokenizer.decode(out, skip_special_tokens=True)),
                    "first_row": row,
                }
            )
            row += len(out)
            context.emit(Progress(number + 1, len(request["conversations"]), "prompts"))
    described = {
        "vocab": int(model.config.get_text_config().vocab_size),
        "dtype": request["dtype"],
        "prompts": prompts,
        "forward_s": forward,
        "peak_rss_bytes": peak_rss(),
    }
    # The description may be longer than a frame of the channel.
    Path(str(request["described"])).write_text(json.dumps(described, allow_nan=False))
    return {"prompts": len(prompts), "forward_s": forward, "peak_rss_bytes": peak_rss()}


def _load(
    transformers: Any, torch: Any, source: Path, base: str | None, texts: Path
) -> tuple[Any, Any]:
    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(0)
    settings = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(texts), **settings)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            base or str(source),
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **settings,
        )
        if base is not None:
            import peft

            model = peft.PeftModel.from_pretrained(model, str(source)).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelRefused(
            f"transformers cannot load the original: {one_line(str(error), 300)}",
            hint="firstlight inspect SOURCE says what is wrong with the folder.",
        ) from error
    if missing := sorted(report["missing_keys"]):
        # transformers fills them with random numbers, so every comparison would be worthless.
        raise ModelRefused(
            f"The original lacks {len(missing)} tensors, {one_line(missing[0], 80)} among them.",
            hint="Copy or download the model again.",
        )
    return tokenizer, model.eval()


def _stop_ids(model: Any, tokenizer: Any) -> set[int]:
    found: set[int] = set()
    for value in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        values = value if isinstance(value, list) else [value]
        found.update(int(i) for i in values if i is not None)
    return found


def _continue(model: Any, torch: Any, ids: list[int], limit: int, stops: set[int]) -> Any:
    """Yield (token, log-probabilities that predicted it) of the greedy continuation, the stop token included."""
    past = None
    wanted = torch.tensor([ids])
    for _ in range(limit):
        answer = model(input_ids=wanted, past_key_values=past, use_cache=True, logits_to_keep=1)
        logits = answer.logits[0, -1].float()
        if not bool(torch.isfinite(logits).all()):
            raise ModelRefused(
                "The original computes numbers that are not finite.",
                hint="Its weights are damaged: copy or download the model again.",
            )
        token = int(logits.argmax())
        yield token, torch.log_softmax(logits, dim=-1).numpy()
        if token in stops:
            return
        past = answer.past_key_values
        wanted = torch.tensor([[token]])
