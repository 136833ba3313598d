"""Drift computed without Firstlight: `python independent_drift.py SOURCE QUESTIONS.json TOKENS TEXT.json ARTIFACT...`.

Plain transformers on one side, onnxruntime-genai on the other, one token at a time, everything in float64. QUESTIONS.json holds
user messages; TEXT.json lists of token ids that are read as they are. Prints a list with one JSON object for each artifact:
its figures on both.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def log_probabilities(logits: Any) -> Any:
    """In float64, exactly normalised."""
    row = np.asarray(logits, dtype=np.float64).ravel()
    row = row - row.max()
    return row - np.log(np.sum(np.exp(row)))


def answer_rows(model: Any, ids: list[int], limit: int) -> tuple[list[int], list[Any]]:
    """The greedy answer to `ids` and the original's log-probabilities of each place."""
    import torch

    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    out: list[int] = []
    rows: list[Any] = []
    past, feed = None, ids
    with torch.no_grad():
        while len(out) < limit and not (out and out[-1] in ends):
            output = model(input_ids=torch.tensor([feed]), past_key_values=past, use_cache=True)
            past = output.past_key_values
            rows.append(log_probabilities(output.logits[0, -1].numpy()))
            out.append(int(rows[-1].argmax()))
            feed = out[-1:]
    return out, rows


def text_rows(model: Any, ids: list[int]) -> list[Any]:
    """The original's log-probabilities of every place of a text but the first, read at once."""
    import torch

    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].numpy()
    return [log_probabilities(row) for row in logits]


def artifact_rows(model: Any, ids: list[int], out: list[int], room: int) -> list[Any]:
    """The artifact's log-probabilities of the same places."""
    import onnxruntime_genai as og

    settings = og.GeneratorParams(model)
    settings.set_search_options(max_length=max(room, len(ids) + len(out) + 1), do_sample=False)
    generator = og.Generator(model, settings)
    generator.append_tokens(np.array(ids, dtype=np.int32))
    rows = []
    for token in out:
        rows.append(log_probabilities(np.asarray(generator.get_logits())[0, -1]))
        generator.append_tokens(np.array([token], dtype=np.int32))
    return rows


def figures(texts: list[tuple[list[int], list[Any], list[Any]]]) -> dict[str, Any]:
    """Means over all tokens."""
    kl, same, lost = [], [], []
    for out, theirs, ours in texts:
        for token, p, q in zip(out, theirs, ours, strict=True):
            width = min(len(p), len(q))
            kl.append(float(np.sum(np.exp(p[:width]) * (p[:width] - q[:width]))))
            same.append(int(p.argmax()) == int(q.argmax()))
            lost.append(float(p[token] - q[token]))
    return {
        "kl_mean": float(np.mean(kl)),
        "kl_p95": float(np.percentile(kl, 95)),
        "top1_agreement": float(np.mean(same)),
        "perplexity_ratio": float(np.exp(np.mean(lost))),
        "tokens": len(kl),
    }


def main() -> None:
    source, questions, limit, text, *artifacts = sys.argv[1:]
    import onnxruntime_genai as og
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    answered = []
    for question in json.loads(Path(questions).read_text()):
        turn = [{"role": "user", "content": question}]
        if tokenizer.chat_template:
            prompt = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        else:
            prompt = question
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        answered.append((ids, *answer_rows(model, ids, int(limit))))
    texts = [
        (ids[:1], ids[1:], text_rows(model, ids)) for ids in json.loads(Path(text).read_text())
    ]
    results = []
    for artifact in artifacts:
        engine = og.Model(artifact)
        config = json.loads((Path(artifact) / "genai_config.json").read_text())
        window = config["model"]["decoder"].get("sliding_window") or {}
        room = int(window.get("window_size") or 0)
        result = {}
        for name, read in (("answers", answered), ("text", texts)):
            matches = [
                (out, theirs, artifact_rows(engine, ids, out, room)) for ids, out, theirs in read
            ]
            result[name] = figures(matches) if matches else {}
        results.append(result)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
