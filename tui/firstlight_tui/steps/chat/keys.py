"""The keys of the chat."""

from textual.binding import Binding

HELP = (
    "Enter sends, Ctrl+J starts a new line, up and down recall earlier questions. Typing goes to the question wherever "
    "the focus is. `/help` or More lists everything that the chat can do. Figures are measured in the process that "
    "answers; RAM is that process's own. Compare (F6) puts a second or third model next to the first: another precision, "
    "the original in transformers, or a server; all get the same question and the first difference is marked."
)


def _key(key: str, name: str, action: str, tooltip: str, *, show: bool = False) -> Binding:
    is_command = action.startswith("/")
    return Binding(
        key,
        f"command('{action}')" if is_command else action,
        name,
        id=f"chat.{action.removeprefix('/').split()[0]}",
        show=show,
        tooltip=tooltip,
        # The question has the focus, and a text area has uses of its own for these two.
        priority=key in ("f6", "f7"),
    )


KEYS: list[Binding] = [
    _key("f10", "Tokens", "/tokens", "The answer token by token, and what else was likely"),
    _key("ctrl+r", "Retry", "/retry", "Answer the last question again", show=True),
    _key("ctrl+t", "Edit", "/edit", "Take the last question back and edit it"),
    _key("f9", "Copy", "/copy", "Copy the newest answer"),
    _key("ctrl+s", "Save", "/save", "Save as Markdown and JSON lines"),
    _key("f4", "Raw prompt", "/prompt", "The rendered prompt and its tokens", show=True),
    _key("f5", "Settings", "/settings", "Temperature, length, seed, context, form", show=True),
    _key(
        "f6", "Compare", "/beside", "Compare with a precision, the original or a server", show=True
    ),
    _key("ctrl+g", "Connect", "app.connect", "Talk to a running server instead", show=True),
    _key("f7", "Keep", "/keep", "Keep one of the columns, close the others"),
    _key("f8", "Rate", "/rate +", "Rate the newest answer, one star more each time"),
]
