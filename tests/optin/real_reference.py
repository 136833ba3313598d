"""What transformers computes in float32 and onnxruntime-genai with nothing around it: drift by another arithmetic.

Nothing here is Firstlight's: the prompts are rendered by transformers, the logits compared in float64, one token after
another as a user gets them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NEW_TOKENS = 64
QUESTIONS = (
    "Hello! Who are you?",
    "Explain in one sentence what you can help with.",
    "Give me three short pieces of advice.",
    "What is the capital of France?",
    "Write one sentence about the sea.",
)
"""As quality asks a model that it knows nothing of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """One greedy answer of the original: tokens of prompt and answer, and the logits that chose each of these."""

    prompt: list[int]
    answer: list[int]
    logits: Any
    """Float32, one row a token of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """An artifact against its original, over all tokens of the answers."""

    kl_mean: float
    top1_agreement: float
    perplexity_ratio: float
    tokens: int
    same_answers: int
    """Answers in which the artifact would have chosen every token."""


class Original:
    """The source in transformers, in float32."""

    def __init__(self, folder: Path, template: str | None = None) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        if template is not None:
            self.tokenizer.chat_template = template
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ends: set[int] = set()
        for value in (self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id):
            ends |= set(value) if isinstance(value, list) else {int(value)}
        self._ends = ends

    def render(self, question: str) -> list[int]:
        """The prompt's tokens."""
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        return [int(i) for i in self.tokenizer.encode(text, add_special_tokens=False)]

    def continue_(self, question: str, limit: int = NEW_TOKENS) -> Continuation:
        """Answer greedily, the token that ends it included."""
        torch = self._torch
        prompt, answer, rows = self.render(question), [], []
        past: Any = None
        chunk = prompt
        with torch.inference_mode():
            while len(answer) < limit:
                output = self.model(
                    input_ids=torch.tensor([chunk]),
                    past_key_values=past,
                    use_cache=True,
                    logits_to_keep=1,
                )
                past = output.past_key_values
                rows.append(output.logits[0, -1].float().numpy())
                chunk = [int(rows[-1].argmax())]
                answer += chunk
                if chunk[0] in self._ends:
                    break
        return Continuation(prompt=prompt, answer=answer, logits=np.stack(rows))


def log_softmax(row: Any) -> Any:
    """Natural log-probabilities in float64."""
    wide = np.asarray(row, dtype=np.float64)
    wide = wide - wide.max()
    return wide - np.log(np.exp(wide).sum())


def drift(artifact: Path, continuations: Sequence[Continuation]) -> Drift:
    """Walk along the original's answers with the artifact; the prompt goes in at once, then token after token."""
    import onnxruntime_genai as og

    model = og.Model(str(artifact))
    kl: list[float] = []
    agree: list[bool] = []
    nats = 0.0
    same = 0
    for continuation in continuations:
        parameters = og.GeneratorParams(model)
        # A windowed cache is at least as long as its window.
        length = max(1024, len(continuation.prompt) + len(continuation.answer))
        parameters.set_search_options(max_length=length, do_sample=False)
        generator = og.Generator(model, parameters)
        generator.append_tokens(np.asarray(continuation.prompt, dtype=np.int32))
        hits = []
        for index, token in enumerate(continuation.answer):
            logits = np.asarray(generator.get_logits()).reshape(-1)[-continuation.logits.shape[1] :]
            mine, wanted = log_softmax(logits), log_softmax(continuation.logits[index])
            kl.append(float((np.exp(wanted) * (wanted - mine)).sum()))
            hits.append(int(logits.argmax()) == token)
            nats += float(wanted[token] - mine[token])
            if index + 1 < len(continuation.answer):
                generator.append_tokens(np.asarray([token], dtype=np.int32))
        agree += hits
        same += all(hits)
    return Drift(
        kl_mean=float(np.mean(kl)),
        top1_agreement=float(np.mean(agree)),
        perplexity_ratio=float(np.exp(nats / len(kl))),
        tokens=len(kl),
        same_answers=same,
    )
