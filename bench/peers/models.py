"""The models that are compared, the tools that run them, and the numbers of the issue that have to be reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Metric = Literal["prefill_128", "prefill_512", "decode_64"]
METRICS: dict[Metric, str] = {
    "prefill_128": "Prefill of 128 tokens",
    "prefill_512": "Prefill of 512 tokens",
    "decode_64": "Decode of 64 tokens after 128",
}
PROMPTS: dict[Metric, int] = {"prefill_128": 128, "prefill_512": 512}
DEPTH = 128
"""Tokens in the KV cache before the decoded ones."""
NEW_TOKENS = 64
MOST_SECONDS = 440.0
"""Of the rounds of one comparison of speed."""
CONTEXT = 1024
"""Tokens of context when memory is measured, of every tool."""

INT4 = "Firstlight INT4"
TUNED = "Firstlight INT4, tuned"
CALIBRATED = "Firstlight INT4 calibrated"
"""Blocks of 32 and a head of 8 bits: closer to the original and larger."""
NEAREST = "Firstlight INT4 rounded to the nearest"
"""What INT4 is where it cannot be rounded on a text; converted in half the time."""
BARE = "bare loop, Firstlight's artifact and options"
OLIVE = "Olive by hand, bare loop"
LLAMA = "llama.cpp"
LLAMA_FORMATS = ("Q4_0", "Q4_K_M")
"""Formats of about the size of INT4; both are measured, and the faster one is what a target is held to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerModel:
    """One model with real weights."""

    key: str
    """Name of its folder, see `tests.optin.real_models`."""
    title: str
    template_preset: str | None
    """Preset of a chat template for a base model, which has none."""
    rounds: int
    """Rounds of the comparison of speed; a slow machine does as many as `MOST_SECONDS` allow."""
    decode_target: float
    tuned_decode_target: float


MODELS = {
    model.key: model
    for model in (
        PeerModel(
            key="smollm2",
            title="SmolLM2-135M-Instruct",
            template_preset=None,
            rounds=24,
            decode_target=1.0,
            tuned_decode_target=1.1,
        ),
        PeerModel(
            key="gemma3",
            title="Gemma 3 270M (base)",
            template_preset="gemma",
            rounds=8,
            decode_target=1.25,
            tuned_decode_target=1.3,
        ),
    )
}


def llama_name(quantisation: str) -> str:
    """Return the name of a llama.cpp format in tables and results."""
    return f"{LLAMA} {quantisation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A number of the issue: `subject` must be so many times as fast as `against`."""

    subject: str
    against: str
    metric: Metric
    least: float


def speed_targets(model: PeerModel) -> Sequence[Target]:
    """Return what the issue asks for; against llama.cpp it is the faster of its formats that counts."""
    prefills: tuple[Metric, ...] = ("prefill_128", "prefill_512")
    targets = [Target(subject=INT4, against=LLAMA, metric=metric, least=1.2) for metric in prefills]
    targets += [
        Target(subject=subject, against=LLAMA, metric="decode_64", least=least)
        for subject, least in (
            (INT4, model.decode_target),
            (TUNED, model.tuned_decode_target),
        )
    ]
    targets += [Target(subject=INT4, against=OLIVE, metric=m, least=1.8) for m in prefills]
    targets.append(Target(subject=INT4, against=OLIVE, metric="decode_64", least=1.2))
    return targets
