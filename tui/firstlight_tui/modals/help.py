"""What the open step is for, and its keys, from the bindings themselves."""

from textual.content import Content
from textual.screen import Screen

from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.widgets.words import part


class HelpScreen(DetailScreen):
    """Help for one step."""

    def __init__(self, step: Screen[None]) -> None:
        purpose = str(getattr(step, "PURPOSE", ""))
        more = str(getattr(step, "HELP", ""))
        lines: list[Content] = []
        for words in (purpose, more):
            lines += [Content(words), Content("")] if words else []
        seen = set()
        for binding in [active.binding for active in step.active_bindings.values()]:
            words = binding.tooltip or binding.description
            if words and binding.key not in seen and binding.id:
                seen.add(binding.key)
                lines.append(
                    Content.assemble(part(f"{binding.key:<14}", "bold $text-accent"), part(words))
                )
        lines += [
            Content(""),
            Content("Enter presses the highlighted button; Tab moves; the mouse works everywhere."),
            Content(
                "Every number is marked: claim (the course), estimate (computed), measured (here)."
            ),
        ]
        super().__init__(f"Help: {getattr(step, 'STEP_TITLE', '')}", Content("\n").join(lines))
