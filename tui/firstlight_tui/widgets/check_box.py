"""A check box that is recognised without colour: `[x] label` or `[ ] label`."""

from textual.content import Content
from textual.geometry import Size
from textual.widgets import Checkbox


class CheckBox(Checkbox):
    """One line; Space, Enter or a click toggles it."""

    DEFAULT_CSS = """
    CheckBox { width: auto; height: 1; border: none; padding: 0; background: transparent; color: $foreground; }
    CheckBox:focus { border: none; background-tint: transparent; text-style: bold underline; color: $text-primary; }
    CheckBox:disabled { color: $foreground-muted; }
    """

    def render(self) -> Content:
        """Return the box and its label."""
        return Content.assemble(f"[{'x' if self.value else ' '}] ", self.label)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Return the cells of the box and its label."""
        return self.render().cell_length
