"""Writes YAML: blocks for what nests, JSON-like scalars for the rest."""

import json


def yaml_text(value: object) -> str:
    """Return a YAML document of JSON-able values; a number, key and text mean the same to every reader."""
    return "\n".join(_lines(value)) + "\n"


def _scalar(value: object) -> str:
    """YAML includes JSON but for its surrogate pairs, which Go's reader refuses: one escape a character."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "".join(c if " " <= c <= "~" else _escape(ord(c)) for c in text)


def _escape(point: int) -> str:
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _lines(value: object, indent: int = 0) -> list[str]:
    pad = "  " * indent
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            if _nests(item):
                lines += [f"{pad}{key}:", *_lines(item, indent + 1)]
            else:
                lines.append(f"{pad}{key}: {_scalar(item)}")
        return lines
    if isinstance(value, list) and value:
        lines = []
        for item in value:
            below = _lines(item, indent + 1)
            lines += [f"{pad}- {below[0].lstrip()}", *below[1:]]
        return lines
    return [pad + _scalar(value)]


def _nests(value: object) -> bool:
    return isinstance(value, dict | list) and bool(value)
