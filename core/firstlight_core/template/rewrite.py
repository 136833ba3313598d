"""Differences of onnxruntime-genai's Jinja subset in words, and templates rewritten to avoid them.

Known differences of genai 0.18, by experiment: `'x' in some_text` is always false, `.replace()`, `.upper()`,
`.find()` and `.count()` are unknown methods, `.title()` changes nothing, `|replace`, `|upper`, `|title` and `|first`
are unknown filters.
"""

import re

_NAME = r"[A-Za-z_][\w.]*(?:\[[^\]\n]{1,60}\])*(?:\.[A-Za-z_]\w*(?!\s*\())*"
_TEXT = r"'[^'\n]*'|\"[^\"\n]*\""
_IN = re.compile(rf"({_TEXT})\s+(not\s+)?in\s+({_NAME})(?![\w(])")
_GROUP = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_REPLACE = re.compile(rf"({_GROUP}|{_NAME})\.replace\(\s*({_TEXT})\s*,\s*({_TEXT})\s*\)")
_HOLDS_TEXT = re.compile(r"content|text|prompt|system|reason|custom|instruct|output|answer", re.I)
_TAG = re.compile(r"(\{[%{].*?[%}]\})", re.S)

_UNKNOWN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\.replace\("), "does not know `.replace()`"),
    (re.compile(r"\.(upper|find|count|capitalize|index)\("), "does not know a text method"),
    (re.compile(r"\.title\("), "leaves `.title()` without effect"),
    (re.compile(r"\|\s*(replace|upper|title|capitalize|first)\b"), "does not know a filter"),
)


def known_differences(template: str) -> list[str]:
    """Return one sentence, with its line, for every construct that genai is known to treat differently."""
    sentences: list[str] = []
    for number, line in enumerate(template.splitlines(), start=1):
        for match in _IN.finditer(line):
            if _is_text(match[3]) and not _is_key(match[1], match[3], template):
                sentences.append(
                    f"onnxruntime-genai answers `{match[0][:80]}` (line {number}) always as if the text were not there."
                )
        for pattern, what in _UNKNOWN:
            if known := pattern.search(line):
                sentences.append(f"onnxruntime-genai {what} (line {number}: `{known[0][:40]}`).")
    return list(dict.fromkeys(sentences))[:12]


_URL = re.compile(r"https?://[^\s'\"{}]{1,80}", re.I)
_HIDDEN = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_CONDITION = re.compile(rf"\{{%-?\s*(?:el)?if\b[^%]*?({_TEXT})\s+(?:not\s+)?in\s+({_NAME})")


def suspicious_parts(template: str) -> list[str]:
    """Return signs of a poisoned template, a sentence each: addresses, invisible characters, conditions on messages.

    Conditions on markup (`</think>`, `[INST]`, `/no_think`) are ordinary and not named.
    """
    sentences: list[str] = []
    for number, line in enumerate(template.splitlines(), start=1):
        if match := _URL.search(line):
            sentences.append(f"The chat template holds an address (line {number}): {match[0][:80]}")
        if match := _HIDDEN.search(line):
            code = f"U+{ord(match[0]):04X}"
            sentences.append(
                f"The chat template holds an unseen character (line {number}): {code}."
            )
        for match in _CONDITION.finditer(line):
            plain = re.fullmatch(r"[A-Za-z][\w ,.'-]+", match[1][1:-1])
            if plain and _is_text(match[2]) and not _is_key(match[1], match[2], template):
                sentences.append(
                    f"The chat template acts on what is said (line {number}): {match[1][:60]} in {match[2][:40]}."
                )
    return sentences[:8]


def rewrite_for_genai(template: str) -> str | None:
    """Return an equivalent template without those constructs; None when there is nothing that can be rewritten.

    It is only a proposal: whoever takes it has to prove that both renderers agree on it.
    """
    rewritten = _TAG.sub(lambda tag: _rewrite_tag(tag[1], template), template)
    return rewritten if rewritten != template else None


def _is_text(name: str) -> bool:
    last = re.split(r"[.\[]", name)[-1]
    return bool(_HOLDS_TEXT.search(last)) or ("message" in last.lower() and "_" in last)


_MESSAGE_KEYS = frozenset(
    {
        *("role", "content", "name", "tool_calls", "tool_call_id", "function_call", "function"),
        *("arguments", "thinking", "reasoning", "reasoning_content", "prefix", "type", "parts"),
    }
)
_PART_KEYS = frozenset({"text", "image", "image_url", "video", "audio"})


def _is_key(literal: str, name: str, template: str) -> bool:
    """Return whether `'x' in name` asks a message for one of its keys, and no text for a word.

    A name of a text (`content`) counts as an object only where the template reads that very key of it.
    """
    key, held = literal[1:-1], re.escape(name)
    if not re.fullmatch(r"[A-Za-z_]\w*", key):
        return False
    read = rf"{held}(?:\.{key}\b(?!\s*\()|\[\s*['\"]{key}['\"]\s*\]|\.get\(\s*['\"]{key}['\"])"
    if re.search(read, template):
        return True
    if key in _PART_KEYS:
        # A part of a message with pictures: an object where the template reads any of its keys.
        return re.search(rf"{held}(?:\.(?:type|text)\b(?!\s*\()|\[\s*['\"])", template) is not None
    last = re.split(r"[.\[]", name)[-1]
    return not _HOLDS_TEXT.search(last) and key in _MESSAGE_KEYS


def _rewrite_tag(tag: str, template: str) -> str:
    def contains(match: re.Match[str]) -> str:
        if not _is_text(match[3]) or _is_key(match[1], match[3], template):
            return match[0]
        sign = "== 1" if match[2] else "> 1"
        return f"({match[3]}.split({match[1]})|length {sign})"

    tag = _IN.sub(contains, tag)
    for _ in range(8):
        changed = _REPLACE.sub(lambda m: f"({m[1]}.split({m[2]})|join({m[3]}))", tag)
        if changed == tag:
            break
        tag = changed
    return tag
