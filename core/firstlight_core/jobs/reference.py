"""The original in transformers: a greedy continuation of every prompt, and its log-probabilities.

They are written to a file, row by row, because one prompt of a 150,000-token vocabulary already fills 39 MB.
"""

import json
import time
from pathlib import Path
from typing import Any

from firstlight_core.events import Progress, Stage
from firstlight_core.jobs.conversation import Conversation
from firstlight_core.jobs.transformers_model import (
    Forward,
    import_transformers,
    load_original,
    stop_ids,
)
from firstlight_core.model.own_files import own_files
from firstlight_core.text import visible
from firstlight_core.worker import JobContext, peak_rss


def reference(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Write `rows` and describe them.

    Asked: source, base (for a LoRA adapter), conversations, new_tokens, rows (a new file), dtype, template_folder (of
    a source without a chat template). The file holds one
    row a continuation token: natural log-probabilities over the whole vocabulary, that predict this token.
    Result: vocab, dtype, prompts[] {ids (prompt and continuation), prompt_tokens, text, first_row}, forward_s.
    """
    context.emit(Stage("reference", "Loading the original"))
    import numpy as np

    torch, _ = import_transformers()
    source = Path(str(request["source"]))
    base = request.get("base")
    own = own_files(source, Path(base) if base else None)
    tokenizer, model = load_original(source, base)
    lent = request.get("template_folder")
    conversation = Conversation(Path(str(lent)) if lent else own.template, tokens=own.tokenizer)
    stops = stop_ids(model, tokenizer)
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


def _continue(model: Any, torch: Any, ids: list[int], limit: int, stops: set[int]) -> Any:
    """Yield (token, log-probabilities that predicted it) of the greedy continuation, the stop token included."""
    forward = Forward(model)
    chunk = ids
    for _ in range(limit):
        logits = forward(chunk)
        token = int(logits.argmax())
        yield token, torch.log_softmax(logits, dim=-1).numpy()
        if token in stops:
            return
        chunk = [token]
