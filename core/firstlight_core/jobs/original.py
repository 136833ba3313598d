"""Answers and logits of the original: the gate's reference, computed in the process that has its libraries loaded."""

import gc
from pathlib import Path
from typing import Any

from firstlight_core.documents.jobs_conversion import Proof, Reference, Text
from firstlight_core.estimate.check_memory import original_fits, original_is_exact
from firstlight_core.jobs.folded import folded
from firstlight_core.jobs.graph_matrices import Graph
from firstlight_core.jobs.matrix_inputs import matrix_inputs
from firstlight_core.jobs.original_text import (
    PROMPTS,
    STEPS,
    covered,
    long_ids,
    render,
    rows_of,
)
from firstlight_core.jobs.transformers_model import (
    idle_cores,
    load_original,
    stop_ids,
)
from firstlight_core.jobs.weight_proof import WeightProof, round_small
from firstlight_core.model.structure_lengths import read_lengths
from firstlight_core.text import one_line

LIKE_ITSELF = 1e-3
"""Relative distance up to which a folded adapter counts as the adapter beside its base."""


class ReferenceModel:
    """The original of one conversion: asked once, then given the weights of one artifact after another."""

    def __init__(self, model_path: str, adapter_path: str | None, folder: Path) -> None:
        self._source = Path(adapter_path or model_path)
        self._base = model_path if adapter_path else None
        self._folder = folder
        self._stored = sum(p.stat().st_size for p in Path(model_path).glob("*.safetensors"))
        self._exact = True
        self.reference: Reference | None = None
        self.reason = ""
        """Reason for a missing reference."""

    def ask(self, *, room: int) -> Reference | None:
        """Have the original answer and compute; None, and `reason`, when it does not fit into the memory.

        It is computed in float32 when that stays within `room` bytes (then asking does not raise the conversion's
        peak), or within a share of what is available; else as it is stored.
        """
        from firstlight_core.monitor import available_memory

        if not original_fits(self._stored, available_memory()):
            self.reason = "The original does not fit into the memory beside its conversion."
            return None
        self._exact = original_is_exact(self._stored, room=room, available=available_memory())
        tokenizer, model = load_original(self._source, self._base, exact=self._exact)
        config = model.config.get_text_config()
        lengths = read_lengths(config.to_dict())
        parameters = sum(p.numel() for p in model.parameters())
        table = model.get_input_embeddings().weight.shape[0]
        special = set(tokenizer.all_special_ids)
        prompts = [render(tokenizer, prompt) for prompt in PROMPTS]
        with _threads():
            spoken = _greedy(model, prompts, sorted(stop_ids(model, tokenizer)))
            long = long_ids(tokenizer, lengths, parameters, table)
            texts = _texts(prompts, spoken, long)
            rows = self._folder / "original.rows"
            vocab = write_rows(model, texts, rows)
        dtype = str(model.dtype).removeprefix("torch.")
        self.reference = {
            "answers": [
                {
                    "prompt": prompt,
                    "ids": ids,
                    "answer": answer,
                    "dtype": dtype,
                    "pieces": ["" if i in special else str(tokenizer.decode([i])) for i in ids],
                }
                for prompt, ids, answer in zip(PROMPTS, prompts, spoken, strict=True)
            ],
            "texts": texts,
            "rows": str(rows),
            "vocab": vocab,
            "dtype": dtype,
            "model_type": str(config.model_type),
            "parameters": parameters,
            "covered": covered(max(len(text["ids"]) for text in texts), lengths),
        }
        return self.reference

    def prove(self, artifact: Path, *, calibrated: bool = False) -> Proof:
        """Put the artifact's quantised matrices into the original, compare them, and have it compute again.

        `calibrated`: its weights were rounded on a text, so what they make of their inputs is compared too.
        """
        assert self.reference is not None
        if not self._exact:
            return _unproven("the original was computed as it is stored, not in float32")
        graph = Graph(next(iter(sorted(artifact.glob("*.onnx")))))
        if kinds := graph.unread_kinds():
            return _unproven(f"weights of {', '.join(kinds)} are not read")
        _, model = load_original(self._source, self._base)
        texts = renumbered([self.reference["texts"][0], *self.reference["texts"][len(PROMPTS) :]])
        own: Proof = {
            "texts": self.reference["texts"],
            "rows": self.reference["rows"],
            "weights": None,
            "reason": "",
        }
        with _threads():
            if self._base is not None:
                model = folded(model)
                rows = self._folder / "folded.rows"
                write_rows(model, texts[:1], rows)
                if (
                    far := distance(rows, Path(self.reference["rows"]), rows_of(texts[0]))
                ) > LIKE_ITSELF:
                    return _unproven(
                        f"the folded adapter is {far:.1g} away from the adapter itself"
                    )
            inputs = matrix_inputs(model, texts) if calibrated else {}
            figures = WeightProof(model, inputs).put(graph.matrices())
            del inputs
            own["weights"] = figures
            if graph.is_rounded() and figures["unmatched"]:
                node = one_line(figures["unmatched"][0], 80)
                return {**own, "rows": "", "reason": f"{node} holds no matrix of the original"}
            if graph.is_rounded():
                if small := graph.half_vectors():
                    round_small(model, small)
                rows = self._folder / f"{artifact.parent.name}.rows"
                write_rows(model, texts, rows)
                own |= {"texts": texts, "rows": str(rows)}
        del model
        gc.collect()
        return own


def _unproven(reason: str) -> Proof:
    return {"texts": [], "rows": "", "weights": None, "reason": reason}


def renumbered(texts: list[Text]) -> list[Text]:
    """Return texts whose rows follow each other in a file of their own."""
    numbered: list[Text] = []
    row = 0
    for text in texts:
        numbered.append({**text, "first_row": row})
        row += rows_of(text)
    return numbered


def _texts(prompts: list[list[int]], spoken: list[list[int]], long: list[int]) -> list[Text]:
    texts: list[Text] = []
    for ids, answer in zip(prompts, spoken, strict=True):
        # The last token predicts nothing that is compared.
        sequence = [*ids, *answer[:-1]]
        texts.append({"kind": "turn", "ids": sequence, "prompt_tokens": len(ids), "first_row": 0})
    if len(long) > STEPS:
        start = len(long) - STEPS
        texts.append({"kind": "long", "ids": long, "prompt_tokens": start, "first_row": 0})
    return renumbered(texts)


def write_rows(model: Any, texts: list[Text], path: Path) -> int:
    """Write the logits of every text as float32 rows: of its prompt, then of each appended token; returns their width."""
    import numpy as np
    import torch

    width = 0
    with path.open("wb") as stream, torch.inference_mode():
        for text in texts:
            past = None
            ids, start = text["ids"], text["prompt_tokens"]
            for chunk in (ids[:start], *([i] for i in ids[start:])):
                output = model(
                    input_ids=torch.tensor([chunk]),
                    past_key_values=past,
                    use_cache=True,
                    logits_to_keep=1,
                )
                past = output.past_key_values
                row = output.logits[0, -1].float().numpy()
                width = len(row)
                stream.write(np.ascontiguousarray(row, dtype=np.float32).tobytes())
    return width


def distance(left: Path, right: Path, rows: int) -> float:
    """Return how far the first rows of two files are apart, relative to the size of the right one's."""
    import numpy as np

    stored = np.fromfile(left, dtype=np.float32)
    beside = np.fromfile(right, dtype=np.float32, count=stored.size)
    first, second = (part.reshape(rows, -1).astype(np.float64) for part in (stored, beside))
    second -= second.mean(axis=1, keepdims=True)
    first -= first.mean(axis=1, keepdims=True)
    return float(np.linalg.norm(first - second) / max(float(np.linalg.norm(second)), 1e-12))


class _threads:
    """torch limited to the idle cores."""

    def __enter__(self) -> None:
        import torch

        self._before = torch.get_num_threads()
        torch.set_num_threads(idle_cores())

    def __exit__(self, *_: object) -> None:
        import torch

        torch.set_num_threads(self._before)


def _greedy(model: Any, prompts: list[list[int]], ends: list[int]) -> list[list[int]]:
    """Return one greedy answer after another; each ends with its end of turn."""
    import torch

    answers = []
    with torch.inference_mode():
        for ids in prompts:
            past, chunk, answer = None, ids, []
            for _ in range(STEPS):
                output = model(
                    input_ids=torch.tensor([chunk]),
                    past_key_values=past,
                    use_cache=True,
                    logits_to_keep=1,
                )
                past = output.past_key_values
                chunk = [int(output.logits[0, -1].argmax())]
                answer += chunk
                if chunk[0] in ends:
                    break
            answers.append(answer)
    return answers
