"""The original in transformers: the logits with which it continues prompts greedily, or reads a text.

They are written to a file, row by row, as float32 and as they are: KL divergences of 1e-9 are told from zero only when both
sides are normalised in float64. One prompt of a 150,000-token vocabulary fills 39 MB.
"""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.documents.jobs_reference import (
    Passage,
    ReferenceDescription,
    ReferenceReply,
    ReferenceRequest,
)
from firstlight_core.jobs.chat_template import ChatTemplate
from firstlight_core.jobs.drift import stretches
from firstlight_core.jobs.transformers_model import (
    Forward,
    check_finite,
    import_transformers,
    load_original,
    stop_ids,
)
from firstlight_core.model.own_files import own_files
from firstlight_core.process.context import JobContext, peak_rss
from firstlight_core.process.events import Progress, Stage
from firstlight_core.text import visible


def reference(request: ReferenceRequest, context: JobContext) -> ReferenceReply:
    """Write `rows` and describe them in `described`.

    Conversations are continued greedily, a text is read in stretches (`jobs.drift.stretches`). The file holds one row of
    float32 logits over the whole vocabulary for each predicted token.
    """
    context.emit(Stage("reference", "Loading the original"))
    torch, _ = import_transformers()
    source = Path(str(request["source"]))
    base = request["base"]
    tokenizer, model = load_original(source, base)
    written: list[Passage] = []
    text_tokens: int | None = None
    with Path(str(request["rows"])).open("xb") as rows, torch.inference_mode():
        began = time.perf_counter_ns()
        if "text" in request:
            whole = [
                int(i) for i in tokenizer(request["text"], add_special_tokens=False)["input_ids"]
            ]
            parts = stretches(whole, width=int(request["width"]), count=int(request["count"]))
            passages = _read(model, torch, tokenizer, parts)
            total, text_tokens = len(parts), len(whole)
        else:
            own = own_files(source, Path(base) if base else None)
            lent = request.get("template_folder")
            template = Path(str(lent)) if lent else own.template
            conversation = ChatTemplate(template, tokens=own.tokenizer)
            texts = [conversation.render(messages) for messages in request["conversations"]]
            passages = _answer(model, tokenizer, texts, int(request["new_tokens"]))
            total = len(texts)
        row = vocab = 0
        for passage, logits in passages:
            for values in logits:
                rows.write(values.numpy().astype("<f4").tobytes())
            written.append({**passage, "first_row": row})
            row, vocab = row + len(logits), int(logits[0].shape[-1])
            context.emit(Progress(len(written), total, "prompts"))
        forward = (time.perf_counter_ns() - began) / 1e9
    described: ReferenceDescription = {
        "vocab": vocab,
        "prompts": written,
        "forward_s": forward,
        "peak_rss_bytes": peak_rss(),
    }
    if text_tokens is not None:
        described["text_tokens"] = text_tokens
    # The description may be longer than a frame of the channel.
    Path(str(request["described"])).write_text(json.dumps(described, allow_nan=False))
    return {"prompts": len(written), "forward_s": forward, "peak_rss_bytes": peak_rss()}


def _answer(
    model: Any, tokenizer: Any, texts: Sequence[str], limit: int
) -> Iterator[tuple[Passage, list[Any]]]:
    """Yield the greedy continuation of each prompt, the stop token included, with the logits of each of its tokens."""
    stops = stop_ids(model, tokenizer)
    for text in texts:
        ids = [int(i) for i in tokenizer(text, add_special_tokens=False)["input_ids"]]
        forward, chunk = Forward(model), ids
        out: list[int] = []
        rows: list[Any] = []
        while len(out) < limit and not (out and out[-1] in stops):
            rows.append(forward(chunk))
            out.append(int(rows[-1].argmax()))
            chunk = out[-1:]
        said = visible(tokenizer.decode(out, skip_special_tokens=True))
        yield {"ids": ids + out, "prompt_tokens": len(ids), "text": said, "first_row": 0}, rows


def _read(
    model: Any, torch: Any, tokenizer: Any, parts: Sequence[list[int]]
) -> Iterator[tuple[Passage, Any]]:
    """Yield each stretch of a text, behind a begin token where there is one, with the logits of its tokens."""
    begin = tokenizer.bos_token_id
    begins = begin is not None and tokenizer("a")["input_ids"][:1] == [begin]
    for part in parts:
        ids = [int(begin), *part] if begins else part
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].float()
        check_finite(torch, logits)
        text = visible(tokenizer.decode(part))
        yield {"ids": ids, "prompt_tokens": 1, "text": text, "first_row": 0}, logits
