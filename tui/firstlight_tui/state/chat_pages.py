"""The pages that the chat shows as plain text: the conversation, the figures, the models."""

from collections.abc import Iterable

from firstlight_core.text import bytes_text, one_line, seconds_text, shown_path
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.state.history import figures


def history_text(conversation: Conversation) -> str:
    """Return a whole conversation with the figures and ratings of its answers."""
    lines = [f"system: {conversation.system}\n"] if conversation.system else []
    for turn in conversation.turns:
        lines.append(f"{'you' if turn.role == 'user' else conversation.name}: {turn.content}")
        lines.append(f"{figures(turn)}{'  ' + '★' * turn.rating if turn.rating else ''}\n")
    return "\n".join(lines) or "Nothing has been said yet."


def figures_text(conversations: Iterable[Conversation]) -> str:
    """Return what every answer cost."""
    rows = [
        f"{conversation.name}, {one_line(turn.text, 40)!r}\n  {figures(turn)}"
        for conversation in conversations
        for turn in conversation.answers
        if turn.stats
    ]
    return "\n".join(rows) or "No answer yet."


def models_text(conversations: Iterable[Conversation]) -> str:
    """Return which models answer, and what each needs."""
    rows: list[str] = []
    for conversation in conversations:
        loaded, target = conversation.loaded, conversation.target
        rows.append(f"{conversation.name}: {shown_path(target.text) if target else ''}")
        if loaded is not None:
            rows.append(f"  ready after {seconds_text(loaded['load_s'])}")
        if (rss := conversation.rss_bytes) is not None:
            rows.append(f"  RAM of its process {bytes_text(rss)}")
        if loaded is not None:
            rows += [f"  {loaded['context']}"] if "context" in loaded else []
            rows += [f"  {loaded['memory']}"] if "memory" in loaded else []
            rows += [f"  dtype: {loaded['dtype']}"] if "dtype" in loaded else []
            rows += [f"  model: {loaded['model']}"] if "model" in loaded else []
    return "\n".join(rows)
