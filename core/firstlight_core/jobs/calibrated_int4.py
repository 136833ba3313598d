"""Gives Olive's Gptq pass a calibration text of one's own, and says how far it has come.

The pass wants wikitext from the hub. Here it gets the user's text, or what the model itself says to a few questions:
it is loaded then anyway, not yet quantised, and an adapter is merged. It works in float32: the pass would load a
bfloat16 model as it is stored, and round what the layers hand on. How a matrix is rounded is `weight_rounding`.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.documents.conversion import CalibrationDocument, OliveConfig
from firstlight_core.documents.jobs_conversion import CalibrationRequest
from firstlight_core.documents.messages import Message
from firstlight_core.errors import FirstlightError
from firstlight_core.jobs import part_blocks, weight_rounding
from firstlight_core.jobs.calibrated_head import CalibratedHead
from firstlight_core.jobs.chat_template import ChatTemplate
from firstlight_core.jobs.one_pass import round_in_one_pass
from firstlight_core.jobs.transformers_model import idle_threads, load_tokenizer, stop_ids
from firstlight_core.model.own_files import own_files
from firstlight_core.precision.olive_reading import read_input
from firstlight_core.process.events import Event, Progress, Stage

Tell = Callable[[Event], None]
LONGEST_PASSAGE = 512
"""Tokens of one conversation or passage that are used."""
DEVICE = "cpu"
LARGE = 10**9
"""Parameters from which fewer answers are computed at once, and shorter ones: each costs a pass over all weights."""


class Calibrator:
    """The calibration text of the calibrated pass, set for each conversion."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._text: CalibrationRequest | None = None
        self._source, self._base = Path(), ""
        self._head = CalibratedHead()
        self.document: CalibrationDocument | None = None
        """Calibration data of the last conversion; None without a pass."""

    def begin(self, text: CalibrationRequest | None, config: OliveConfig) -> None:
        """Take up the text of the next conversion (`CalibrationText.to_json`), and whose tokenizer reads it."""
        self.document = None
        self._head.forget()
        self._text = text
        model = read_input(config)
        self._source, self._base = Path(model.source), model.base or ""

    def install(self) -> None:
        """Adjust the pass in this process; an Olive without it fails when the pass runs."""
        from olive.passes.pytorch import gptq

        part_blocks.install()
        self._head.install()
        weight_rounding.install(gptq.Gptq)

        def run(model: Any, wrapper: Any, data_config: Any, **named: Any) -> Any:
            began = time.perf_counter_ns()
            network = wrapper.model.float()
            rows = self._rows(network)
            work = self._counting(network, named["process_module"])
            try:
                with idle_threads():
                    states = round_in_one_pass(
                        network,
                        rows,
                        take_input=named["input_hook"],
                        round_module=lambda matrix: work(matrix, DEVICE),
                    )
                    self._head.keep(network, states)
                    return DEVICE
            finally:
                assert self.document is not None
                self.document["seconds"] = round((time.perf_counter_ns() - began) / 1e9, 3)

        gptq.run_layerwise_quantization = run

    def _rows(self, network: Any) -> list[list[int]]:
        """Return the text as tokens: conversations and passages."""
        text = self._text
        assert text is not None
        self._tell(Stage("calibration", "Preparing the calibration text"))
        tokenizer = load_tokenizer(self._source, self._base or None)
        rows = [
            [int(i) for i in tokenizer(passage)["input_ids"]][:LONGEST_PASSAGE]
            for passage in text["passages"]
        ]
        words = "Asking the original for the calibration text"
        rows += self._answered(network, tokenizer, text, text["conversations"], words)
        budget = text["tokens"]
        used = _within([row for row in rows if len(row) > 1], budget)
        tokens, prompts = sum(map(len, used)), len(used)
        added_tokens: int | None = None
        if tokens < budget and (further := text["further"]):
            words = "The text is short: asking the original more questions"
            added = _within(
                self._answered(network, tokenizer, text, further, words), budget - tokens
            )
            added_tokens = sum(map(len, added))
            used += added
        document: CalibrationDocument = {
            "source": text["source"],
            "prompts": prompts,
            "tokens": tokens,
            "token_sha256": hashlib.sha256(repr(used).encode()).hexdigest(),
        }
        if "sha256" in text:
            document["sha256"] = text["sha256"]
        if added_tokens is not None:
            document["added_tokens"] = added_tokens
        self.document = document
        return used

    def _answered(
        self,
        network: Any,
        tokenizer: Any,
        text: CalibrationRequest,
        conversations: Sequence[Sequence[Message]],
        words: str,
    ) -> list[list[int]]:
        """Return the conversations, with the original's greedy answer wherever an answer is missing."""
        if not conversations:
            return []
        render = _renderer(self._source, self._base, tokenizer)
        ends = stop_ids(network, tokenizer)
        large = sum(p.numel() for p in network.parameters()) > LARGE
        limit = text["longest_answer"] // (2 if large else 1)
        width = 8 if large else 24
        if any(turns[-1]["role"] != "assistant" for turns in conversations):
            self._tell(Stage("calibration-answers", words))
        rows: list[list[int]] = []
        for start in range(0, len(conversations), width):
            if sum(map(len, rows)) >= text["tokens"]:
                break
            batch = conversations[start : start + width]
            passages = [render(turns)[-LONGEST_PASSAGE:] for turns in batch]
            waiting = [n for n, turns in enumerate(batch) if turns[-1]["role"] != "assistant"]
            if waiting:
                prompts = [passages[n] for n in waiting]
                for n, answer in zip(
                    waiting, _answers(network, prompts, limit, ends, self._tell), strict=True
                ):
                    passages[n] = passages[n] + answer
            rows += passages
        return rows

    def _counting(self, network: Any, inner: Callable[..., None]) -> Callable[..., None]:
        """Return the pass's work on one matrix, counted in layers."""
        layers = int(network.config.get_text_config().num_hidden_layers)
        each = sum(hasattr(module, "quant_info") for module in network.modules()) / layers
        done = 0
        self._tell(Stage("calibrate", "Rounding the weights on the calibration text"))
        self._tell(Progress(0, layers, "layers"))

        def process(*rest: Any, **named: Any) -> None:
            nonlocal done
            inner(*rest, **named)
            done += 1
            self._tell(Progress(min(layers, int(done / each)), layers, "layers"))

        return process


def _within(rows: list[list[int]], budget: int) -> list[list[int]]:
    """Return the rows up to the one that reaches so many tokens."""
    used: list[list[int]] = []
    for row in rows:
        if used and sum(map(len, used)) >= budget:
            break
        used.append(row)
    return used


def _renderer(source: Path, base: str, tokenizer: Any) -> Callable[[Sequence[Message]], list[int]]:
    """Conversations as the tokens of the model's own template; as plain text where it has none that works."""
    conversation: ChatTemplate | None = None
    with contextlib.suppress(FirstlightError):
        own = own_files(source, Path(base) if base else None)
        conversation = ChatTemplate(own.template, tokens=own.tokenizer)

    def render(turns: Sequence[Message]) -> list[int]:
        answered = turns[-1]["role"] == "assistant"
        if conversation is not None:
            with contextlib.suppress(FirstlightError):
                prompt = turns[:-1] if answered and len(turns) > 1 else turns
                text = conversation.render(prompt) + (turns[-1]["content"] if answered else "")
                return [int(i) for i in tokenizer(text, add_special_tokens=False)["input_ids"]]
        text = "\n".join(turn["content"] for turn in turns)
        return [int(i) for i in tokenizer(text)["input_ids"]]

    return render


def _answers(
    network: Any,
    prompts: list[list[int]],
    limit: int,
    ends: set[int],
    tell: Tell,
) -> list[list[int]]:
    """Greedy answers to all prompts in one batch, padded at the left; each ends with its end of turn."""
    import torch
    from transformers import GenerationConfig, LogitsProcessor

    class Steps(LogitsProcessor):  # type: ignore[misc]
        step = 0

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            self.step += 1
            tell(Progress(self.step, limit, "tokens"))
            return scores

    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    plain = GenerationConfig(
        do_sample=False, max_new_tokens=limit, eos_token_id=sorted(ends) or None, pad_token_id=0
    )
    with torch.no_grad(), idle_threads():
        rows = network.generate(
            input_ids=ids, attention_mask=mask, generation_config=plain, logits_processor=[Steps()]
        )
    return [_until_end(row[longest:].tolist(), ends) for row in rows]


def _until_end(answer: list[int], ends: set[int]) -> list[int]:
    end = next((index for index, token in enumerate(answer) if token in ends), len(answer))
    return answer[: end + 1]
