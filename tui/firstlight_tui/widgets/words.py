"""Text that is only text: no markup is read in it, and nothing in it reaches the terminal raw."""

from rich.text import Text
from textual.content import Content
from textual.geometry import Size
from textual.reactive import Reactive
from textual.strip import Strip
from textual.visual import VisualType
from textual.widgets import Static

from firstlight_core.text import visible
from firstlight_tui.widgets.lazy_lines import LazyLines, can_be_lazy


class Words(Static):
    """A `Static` for text from anywhere."""

    auto_links: Reactive[bool] = Reactive(False)
    """There are none in it; to look for them is a third of what a line costs."""

    def __init__(
        self, text: str | Content = "", *, id: str | None = None, classes: str = ""
    ) -> None:
        super().__init__(_safe(text), id=id, classes=classes, markup=False)
        self._shown = _look(text)
        self._lazy: LazyLines | None = None
        """The lines of the text at the newest width, if they can be painted one by one."""
        self._painted: LazyLines | None = None
        """The lines that were painted last."""

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        """Show other text; a string is sanitised, a `Content` was built from sanitised parts.

        Running work asks for it twenty times a second: what is shown already is not painted again, and a text that
        takes as many lines as the one before makes nobody else move.
        """
        painted = _look(content)
        if painted is not None and painted == self._shown:
            return
        self._shown = painted
        lines = self._lines()
        super().update(_safe(content) if isinstance(content, str) else content, layout=False)
        if not (layout and self.styles.auto_dimensions):
            return
        if lines is None or self.styles.is_auto_width or lines != self._lines():
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the lines that the text takes."""
        if width and (lazy := self._lazy_lines(width)) is not None:
            return lazy.height
        return super().get_content_height(container, viewport, width)

    def render_line(self, y: int) -> Strip:
        """Return one line; of a text of several lines only those that are painted are styled."""
        if self._dirty_regions:
            self._painted = self._lazy_lines(self.size.width)
            if self._painted is not None:
                self._painted.forget_styles()
                self._dirty_regions.clear()
        return super().render_line(y) if self._painted is None else self._painted.line(y, self)

    @property
    def styled_lines(self) -> int:
        """Number of lines that are styled by now, of a text of several lines."""
        return self._painted.styled if self._painted is not None else 0

    def _lazy_lines(self, width: int) -> LazyLines | None:
        text = self.visual
        if not isinstance(text, Content) or not can_be_lazy(text, self.styles):
            return None
        if self.text_selection is not None:
            return None
        if self._lazy is None or self._lazy.text is not text or self._lazy.width != width:
            self._lazy = LazyLines(text, width)
        return self._lazy

    def _lines(self) -> int | None:
        """Lines that the text takes at the present width; None before the first layout."""
        width = self.content_size.width
        if not width:
            return None
        return self.get_content_height(self.container_size, self.screen.size, width)


def _look(content: VisualType) -> tuple[object, ...] | None:
    """Return a key that is equal for contents that look equal; None for other visuals."""
    if isinstance(content, str):
        return (content,)
    return (content.plain, *content.spans) if isinstance(content, Content) else None


def _safe(text: str | Content) -> str | Content:
    return visible(text) if isinstance(text, str) else text


def part(text: str, style: str = "") -> tuple[str, str]:
    """Return one piece for `Content.assemble`, sanitised."""
    return visible(text), style


def cell(text: str, style: str = "", *, right: bool = False) -> Text:
    """Return a table cell: `DataTable` would read markup in a plain string."""
    return Text(visible(text), style=style, justify="right" if right else "left", no_wrap=True)
