"""Text that does not change is not painted, and text in a fixed place moves nobody."""

import pytest
from textual.app import App, ComposeResult
from textual.content import Content

from firstlight_tui.widgets import Words
from firstlight_tui.widgets.words import part


class _Watched(Words):
    """Counts what is asked of it."""

    def __init__(self, text: str | Content = "") -> None:
        super().__init__(text)
        self.paints: list[bool] = []

    def refresh(self, *regions, repaint=True, layout=False, recompose=False):  # type: ignore[no-untyped-def]
        if getattr(self, "paints", None) is not None:
            self.paints.append(layout)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


@pytest.mark.parametrize(
    "text", ["one", Content.assemble(part("one", "bold"))], ids=["plain", "styled"]
)
async def test_the_same_words_are_not_painted_again(text: str | Content) -> None:
    class Page(App[None]):
        def compose(self) -> ComposeResult:
            yield _Watched(text)

    async with Page().run_test() as pilot:
        words = pilot.app.query_one(_Watched)
        words.paints.clear()
        words.update(text)
        assert words.paints == []
        words.update("two")
        assert words.paints != []


@pytest.mark.slow
async def test_other_styles_are_painted_though_the_words_are_the_same() -> None:
    class Page(App[None]):
        def compose(self) -> ComposeResult:
            yield _Watched(Content.assemble(part("one")))

    async with Page().run_test() as pilot:
        words = pilot.app.query_one(_Watched)
        words.paints.clear()
        words.update(Content.assemble(part("one", "bold")))
        assert words.paints != []


@pytest.mark.slow
async def test_a_field_of_fixed_size_asks_for_no_layout_and_one_that_grows_does() -> None:
    class Page(App[None]):
        CSS = ".fixed { height: 1; width: 20; }"

        def compose(self) -> ComposeResult:
            yield _Watched("one")
            yield _Watched("one")

        def on_mount(self) -> None:
            self.query(_Watched).first().add_class("fixed")

    async with Page().run_test() as pilot:
        await pilot.pause()
        for words, moves in zip(pilot.app.query(_Watched), (False, True), strict=True):
            words.paints.clear()
            words.update("two\nlines")
            assert words.paints and (True in words.paints) is moves
