"""Tiny tokenizers that carry the chat templates of known families, and what each must render.

The templates say what the families' public definitions say (model cards and tokenizer_config.json), without
their tool branches. `render` is written by hand from the same definitions, so that it can judge them. The
tokenizer is one token a byte plus the family's special tokens: token ids can be worked out in a test.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

Messages = Sequence[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Family:
    key: str
    template: str
    render: Callable[[Messages, bool], str | None]
    """None: the template refuses the conversation."""
    special: tuple[str, ...]
    end: str
    """What ends the assistant's turn."""
    bos: str = ""
    genai_differs: bool = False
    """onnxruntime-genai's Jinja subset renders it otherwise (found by experiment)."""


def byte_letters() -> list[str]:
    """GPT-2's printable stand-ins of the 256 bytes, in the order of the bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in plain}
    rest = [byte for byte in range(256) if byte not in table]
    table.update({byte: chr(256 + index) for index, byte in enumerate(rest)})
    return [table[byte] for byte in range(256)]


def encode(family: Family, text: str) -> list[int]:
    """Token ids by hand: a special token is one, everything else one a byte."""
    pattern = "|".join(re.escape(token) for token in sorted(family.special, key=len, reverse=True))
    ids: list[int] = []
    for part in re.split(f"({pattern})", text):
        if part in family.special:
            ids.append(256 + family.special.index(part))
        else:
            ids.extend(part.encode())
    return ids


def write_family(folder: Path, family: Family, *, eos: Sequence[str] | None = None) -> Path:
    """An artifact folder with everything but weights; `eos` overrides what genai_config stops at."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = byte_letters()
    added = [
        {
            "id": 256 + index,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for index, token in enumerate(family.special)
    ]
    level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {letter: index for index, letter in enumerate(letters)},
            "merges": [],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": family.end,
        "pad_token": family.special[-1],
        "model_max_length": 100_000,
        "chat_template": family.template,
    } | ({"bos_token": family.bos} if family.bos else {})
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    stops = [256 + family.special.index(token) for token in (eos or [family.end])]
    model = {
        "bos_token_id": 256 + family.special.index(family.bos) if family.bos else stops[0],
        "eos_token_id": stops,
        "pad_token_id": 256 + len(family.special) - 1,
        "context_length": 100_000,
        "type": "llama",
        "vocab_size": 256 + len(family.special),
    }
    (folder / "genai_config.json").write_text(json.dumps({"model": model, "search": {}}))
    return folder


def _chatml(messages: Messages, generate: bool) -> str:
    text = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return text + ("<|im_start|>assistant\n" if generate else "")


def _chatml_with_default(system: str) -> Callable[[Messages, bool], str]:
    def render(messages: Messages, generate: bool) -> str:
        if messages[0]["role"] != "system":
            messages = [{"role": "system", "content": system}, *messages]
        return _chatml(messages, generate)

    return render


_QWEN25_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
_QWEN25 = (
    "{%- if messages[0]['role'] == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\n" + _QWEN25_SYSTEM + "<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{%- if message.role == 'user' or (message.role == 'system' and not loop.first)"
    " or message.role == 'assistant' %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
_QWEN3 = (
    "{%- if messages[0].role == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- set ns = namespace(last_query_index=messages|length - 1) %}"
    "{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}"
    "{%- if message.role == 'user' and ns.last_query_index == messages|length - 1 %}"
    "{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}"
    "{%- for message in messages %}"
    "{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- elif message.role == 'assistant' %}"
    "{%- set content = message.content %}"
    "{%- if '</think>' in content %}"
    "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}"
    "{%- if loop.index0 > ns.last_query_index and loop.last %}"
    "{{- '<|im_start|>' + message.role + '\\n<think>\\n\\n</think>\\n\\n' + content + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"
)


def _qwen3(messages: Messages, generate: bool) -> str:
    text = ""
    for index, m in enumerate(messages):
        closed = index == len(messages) - 1 and m["role"] == "assistant"
        thought = "<think>\n\n</think>\n\n" if closed else ""
        content = m["content"]
        if m["role"] == "assistant":
            content = (
                content.split("</think>")[-1].lstrip("\n") if "</think>" in content else content
            )
        text += f"<|im_start|>{m['role']}\n{thought}{content}<|im_end|>\n"
    return text + ("<|im_start|>assistant\n" if generate else "")


_PHI3 = (
    "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}"
    "{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}"
    "{% elif message['role'] == 'user' %}{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}"
    "{% elif message['role'] == 'assistant' %}"
    "{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)


def _phi3(messages: Messages, generate: bool) -> str:
    remaining = [m for m in messages if m["role"] != "system" or m["content"]]
    text = "".join(f"<|{m['role']}|>\n{m['content']}<|end|>\n" for m in remaining)
    return text + ("<|assistant|>\n" if generate else "<|end|>")


_PHI4_MINI = (
    "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message"
    " and message['tools'] is not none %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|>' + '<|end|>' }}"
    "{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)


def _phi4_mini(messages: Messages, generate: bool) -> str:
    text = "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in messages)
    return text + ("<|assistant|>" if generate else "<|end|>")


_LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
    " + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)


def _llama_turn(role: str, text: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n{text.strip()}<|eot_id|>"


def _llama3(messages: Messages, generate: bool) -> str:
    text = "<|begin_of_text|>" + "".join(_llama_turn(m["role"], m["content"]) for m in messages)
    return text + ("<|start_header_id|>assistant<|end_header_id|>\n\n" if generate else "")


_LLAMA32 = (
    "{{- bos_token }}"
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}"
    "{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}"
    "{%- if messages[0]['role'] == 'system' %}"
    "{%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}"
    "{%- else %}{%- set system_message = '' %}{%- endif %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}"
    "{{- 'Cutting Knowledge Date: December 2023\\n' }}"
    "{{- 'Today Date: ' + date_string + '\\n\\n' }}"
    "{{- system_message }}{{- '<|eot_id|>' }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
    " + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)


def _llama32(messages: Messages, generate: bool) -> str:
    system = ""
    if messages[0]["role"] == "system":
        system, messages = messages[0]["content"].strip(), messages[1:]
    today = datetime.now().strftime("%d %b %Y")
    head = f"Cutting Knowledge Date: December 2023\nToday Date: {today}\n\n{system}"
    text = f"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{head}<|eot_id|>"
    text += "".join(_llama_turn(m["role"], m["content"]) for m in messages)
    return text + ("<|start_header_id|>assistant<|end_header_id|>\n\n" if generate else "")


_ALTERNATE = (
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}"
)
_GEMMA2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    + _ALTERNATE
    + "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"
)


def _gemma_turns(messages: Messages, generate: bool, prefix: str = "") -> str:
    text = "<bos>"
    for index, m in enumerate(messages):
        role = "model" if m["role"] == "assistant" else m["role"]
        lead = prefix if index == 0 else ""
        text += f"<start_of_turn>{role}\n{lead}{m['content'].strip()}<end_of_turn>\n"
    return text + ("<start_of_turn>model\n" if generate else "")


def _gemma2(messages: Messages, generate: bool) -> str | None:
    return None if messages[0]["role"] == "system" else _gemma_turns(messages, generate)


_GEMMA3 = (
    "{{ bos_token }}\n"
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}"
    "{%- set loop_messages = messages[1:] -%}"
    "{%- else -%}{%- set first_user_prefix = '' -%}{%- set loop_messages = messages -%}{%- endif -%}"
    "{%- for message in loop_messages -%}"
    + _ALTERNATE.replace("{% ", "{%- ").replace(" %}", " -%}")
    + "{%- if (message['role'] == 'assistant') -%}{%- set role = 'model' -%}"
    "{%- else -%}{%- set role = message['role'] -%}{%- endif -%}"
    "{{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else '') }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}"
    "{%- else -%}{{ raise_exception('Invalid content type') }}{%- endif -%}"
    "{{ '<end_of_turn>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)


def _gemma3(messages: Messages, generate: bool) -> str:
    prefix = ""
    if messages[0]["role"] == "system":
        prefix, messages = messages[0]["content"] + "\n\n", messages[1:]
    return _gemma_turns(messages, generate, prefix)


_MISTRAL = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}"
    "{%- set loop_messages = messages[1:] %}"
    "{%- else %}{%- set loop_messages = messages %}{%- endif %}"
    "{{- bos_token }}{%- for message in loop_messages %}"
    "{%- if message['role'] == 'user' %}"
    "{%- if loop.last and system_message is defined %}"
    "{{- '[INST] ' + system_message + '\\n\\n' + message['content'] + '[/INST]' }}"
    "{%- else %}{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}"
    "{%- elif message['role'] == 'assistant' %}{{- ' ' + message['content']|trim + eos_token }}"
    "{%- else %}{{- raise_exception('Only user and assistant roles are supported') }}"
    "{%- endif %}{%- endfor %}"
)


def _mistral(messages: Messages, generate: bool) -> str:
    system = None
    if messages[0]["role"] == "system":
        system, messages = messages[0]["content"], messages[1:]
    text = "<s>"
    for index, m in enumerate(messages):
        if m["role"] == "assistant":
            text += f" {m['content'].strip()}</s>"
            continue
        lead = f"{system}\n\n" if system is not None and index == len(messages) - 1 else ""
        text += f"[INST] {lead}{m['content']}[/INST]"
    return text


_SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
_SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\n" + _SMOLLM2_SYSTEM + "<|im_end|>\\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_SMOLLM3 = (
    "{%- if enable_thinking is not defined -%}{%- set enable_thinking = true -%}{%- endif -%}"
    "{%- set reasoning_mode = '/think' if enable_thinking else '/no_think' -%}"
    "{{- '<|im_start|>system\\n' -}}"
    "{%- if messages[0].role == 'system' -%}"
    "{%- set custom = messages[0].content.replace('/no_think', '').rstrip() -%}"
    "{%- else -%}{%- set custom = 'You are SmolLM.' -%}{%- endif -%}"
    "{{- '## Metadata\\n\\nReasoning Mode: ' + reasoning_mode + '\\n\\n' -}}"
    "{{- custom + '\\n\\n<|im_end|>\\n' -}}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'user' -%}"
    "{{ '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- elif message.role == 'assistant' -%}"
    "{% generation %}{{ '<|im_start|>assistant\\n' + message.content.lstrip('\\n') + '<|im_end|>\\n' }}"
    "{% endgeneration %}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)


def _smollm3(messages: Messages, generate: bool) -> str:
    custom = "You are SmolLM."
    if messages[0]["role"] == "system":
        custom, messages = messages[0]["content"].replace("/no_think", "").rstrip(), messages[1:]
    head = f"<|im_start|>system\n## Metadata\n\nReasoning Mode: /think\n\n{custom}\n\n<|im_end|>\n"
    return head + _chatml(messages, generate)


_DEEPSEEK = (
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{% set ns = namespace(system_prompt='') %}"
    "{%- for message in messages %}{%- if message['role'] == 'system' %}"
    "{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}"
    "{{bos_token}}{{ns.system_prompt}}"
    "{%- for message in messages %}"
    "{%- if message['role'] == 'user' %}{{'<｜User｜>' + message['content']}}{%- endif %}"
    "{%- if message['role'] == 'assistant' and message['content'] is not none %}"
    "{% set content = message['content'] %}"
    "{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endfor -%}"
    "{% if add_generation_prompt %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"
)


def _deepseek(messages: Messages, generate: bool) -> str:
    text = "<｜begin▁of▁sentence｜>"
    text += "".join(m["content"] for m in messages if m["role"] == "system")
    for m in messages:
        if m["role"] == "user":
            text += f"<｜User｜>{m['content']}"
        elif m["role"] == "assistant":
            answer = m["content"].split("</think>")[-1]
            text += f"<｜Assistant｜>{answer}<｜end▁of▁sentence｜>"
    return text + ("<｜Assistant｜><think>\n" if generate else "")


_IM = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_LLAMA_TOKENS = (
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|end_of_text|>",
)
_PHI_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>")
_GEMMA_TOKENS = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<pad>")

FAMILIES: tuple[Family, ...] = (
    Family(
        key="qwen2.5",
        template=_QWEN25,
        render=_chatml_with_default(_QWEN25_SYSTEM),
        special=_IM,
        end="<|im_end|>",
    ),
    Family(key="qwen3", template=_QWEN3, render=_qwen3, special=_IM, end="<|im_end|>"),
    Family(key="phi-3", template=_PHI3, render=_phi3, special=_PHI_TOKENS, end="<|end|>"),
    Family(
        key="phi-4-mini", template=_PHI4_MINI, render=_phi4_mini, special=_PHI_TOKENS, end="<|end|>"
    ),
    Family(
        key="llama-3",
        template=_LLAMA3,
        render=_llama3,
        special=_LLAMA_TOKENS,
        end="<|eot_id|>",
        bos="<|begin_of_text|>",
    ),
    Family(
        key="llama-3.2",
        template=_LLAMA32,
        render=_llama32,
        special=_LLAMA_TOKENS,
        end="<|eot_id|>",
        bos="<|begin_of_text|>",
    ),
    Family(
        key="gemma-2",
        template=_GEMMA2,
        render=_gemma2,
        special=_GEMMA_TOKENS,
        end="<end_of_turn>",
        bos="<bos>",
    ),
    Family(
        key="gemma-3",
        template=_GEMMA3,
        render=_gemma3,
        special=_GEMMA_TOKENS,
        end="<end_of_turn>",
        bos="<bos>",
    ),
    Family(
        key="mistral",
        template=_MISTRAL,
        render=_mistral,
        special=("<s>", "</s>", "[INST]", "[/INST]", "<pad>"),
        end="</s>",
        bos="<s>",
    ),
    Family(
        key="smollm2",
        template=_SMOLLM2,
        render=_chatml_with_default(_SMOLLM2_SYSTEM),
        special=_IM,
        end="<|im_end|>",
    ),
    Family(key="smollm3", template=_SMOLLM3, render=_smollm3, special=_IM, end="<|im_end|>"),
    Family(
        key="deepseek-r1",
        template=_DEEPSEEK,
        render=_deepseek,
        special=(
            "<｜begin▁of▁sentence｜>",
            "<｜end▁of▁sentence｜>",
            "<｜User｜>",
            "<｜Assistant｜>",
            "<think>",
            "</think>",
            "<pad>",
        ),
        end="<｜end▁of▁sentence｜>",
        bos="<｜begin▁of▁sentence｜>",
    ),
)
