"""How keys are written for people: `ctrl+n` of a binding is Ctrl+N."""

_NAMES = {
    "backspace": "Backspace",
    "comma": ",",
    "delete": "Del",
    "down": "↓",
    "enter": "Enter",
    "escape": "Esc",
    "left": "←",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "question_mark": "?",
    "right": "→",
    "slash": "/",
    "space": "Space",
    "up": "↑",
}


def key_name(key: str) -> str:
    """Return one key as a person reads it."""
    *modifiers, last = key.strip().split("+")
    name = _NAMES.get(last, last)
    if _is_function_key(last) or (modifiers and len(last) == 1):
        name = last.upper()
    elif len(name) > 1:
        name = name[0].upper() + name[1:]
    return "+".join([*(modifier.capitalize() for modifier in modifiers), name])


def key_names(keys: str) -> str:
    """Return keys separated by commas as a person reads them."""
    return ", ".join(key_name(key) for key in keys.split(",") if key.strip())


def _is_function_key(key: str) -> bool:
    return key[:1] == "f" and key[1:].isdigit()
