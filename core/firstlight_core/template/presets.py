"""Prompt formats by family, each with its source; adding a family is one row."""

from dataclasses import dataclass

from firstlight_core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One family's PromptTemplate."""

    key: str
    label: str
    system: str
    user: str
    assistant: str
    prompt: str
    source: str
    """Where the format is defined."""
    end: str = ""
    """The token that ends the assistant's turn."""

    @property
    def prompt_template(self) -> dict[str, str]:
        """The four fields of the course's PromptTemplate."""
        return {
            "system": self.system,
            "user": self.user,
            "assistant": self.assistant,
            "prompt": self.prompt,
        }


def _turns(
    key: str,
    label: str,
    *,
    turn: tuple[str, str],
    system: str,
    source: str,
    end: str,
    begin: str = "",
) -> Preset:
    """Return a family whose prompt is a user turn and the opening of the assistant's."""
    user, assistant = turn
    return Preset(
        key=key,
        label=label,
        system=begin + system,
        user=user,
        assistant=assistant,
        prompt=begin + user + assistant.partition("{Content}")[0],
        source=source,
        end=end,
    )


PRESETS: tuple[Preset, ...] = (
    _turns(
        "chatml",
        "ChatML",
        system="<|im_start|>system\n{Content}<|im_end|>\n",
        turn=(
            "<|im_start|>user\n{Content}<|im_end|>\n",
            "<|im_start|>assistant\n{Content}<|im_end|>\n",
        ),
        source="OpenAI chatml.md; Qwen2.5, Qwen3 and SmolLM2 tokenizer_config.json",
        end="<|im_end|>",
    ),
    Preset(
        key="qwen",
        label="Qwen (the course's)",
        system="<|im_start|>system\n{Content}<|im_end|>",
        user="<|im_start|>user\n{Content}<|im_end|>",
        assistant="<|im_start|>assistant\n{Content}<|im_end|>",
        prompt="<|im_start|>user\n{Content}<|im_end|>\n<|im_start|>assistant",
        source="EdgeAI for Beginners, Module 5, section 4; it lacks the newline after assistant",
        end="<|im_end|>",
    ),
    _turns(
        "phi-3",
        "Phi-3 / Phi-3.5",
        system="<|system|>\n{Content}<|end|>\n",
        turn=("<|user|>\n{Content}<|end|>\n", "<|assistant|>\n{Content}<|end|>\n"),
        source="microsoft/Phi-3.5-mini-instruct, tokenizer_config.json",
        end="<|end|>",
    ),
    _turns(
        "phi-4",
        "Phi-4-mini",
        system="<|system|>{Content}<|end|>",
        turn=("<|user|>{Content}<|end|>", "<|assistant|>{Content}<|end|>"),
        source="microsoft/Phi-4-mini-instruct, model card and tokenizer_config.json",
        end="<|end|>",
    ),
    _turns(
        "llama-3",
        "Llama 3",
        begin="<|begin_of_text|>",
        system="<|start_header_id|>system<|end_header_id|>\n\n{Content}<|eot_id|>",
        turn=(
            "<|start_header_id|>user<|end_header_id|>\n\n{Content}<|eot_id|>",
            "<|start_header_id|>assistant<|end_header_id|>\n\n{Content}<|eot_id|>",
        ),
        source="meta-llama Llama 3 model card, prompt format",
        end="<|eot_id|>",
    ),
    _turns(
        "gemma",
        "Gemma",
        begin="<bos>",
        system="<start_of_turn>user\n{Content}\n\n",
        turn=(
            "<start_of_turn>user\n{Content}<end_of_turn>\n",
            "<start_of_turn>model\n{Content}<end_of_turn>\n",
        ),
        source="Google, Gemma formatting and system instructions (no system role: it opens the user turn)",
        end="<end_of_turn>",
    ),
    Preset(
        key="mistral",
        label="Mistral",
        system="<s>[INST] {Content}\n\n",
        user="[INST] {Content}[/INST]",
        assistant=" {Content}</s>",
        prompt="<s>[INST] {Content}[/INST]",
        source="mistralai/Mistral-7B-Instruct-v0.3, tokenizer_config.json (the system text opens the user turn)",
        end="</s>",
    ),
    _turns(
        "deepseek",
        "DeepSeek-R1 distill",
        begin="<｜begin▁of▁sentence｜>",
        system="{Content}",
        turn=("<｜User｜>{Content}", "<｜Assistant｜>{Content}<｜end▁of▁sentence｜>"),
        source="deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B, tokenizer_config.json",
        end="<｜end▁of▁sentence｜>",
    ),
)


TOKENIZER = "tokenizer"
"""Stands for the artifact's own chat template among the presets."""


def find_preset(key: str) -> Preset:
    """Return the preset with this key.

    Raises:
        UsageError: there is none; the hint lists those that exist.
    """
    for preset in PRESETS:
        if preset.key == key:
            return preset
    known = ", ".join([TOKENIZER, *(preset.key for preset in PRESETS)])
    raise UsageError(f"There is no template preset {key[:40]!r}.", hint=f"Choose one of: {known}.")
