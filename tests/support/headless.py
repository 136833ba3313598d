"""How a wizard without a terminal runs in the tests: parsed styles are shared, no picture is composed for nobody."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import pytest
import textual.app
import textual.pilot
from rich.console import RenderableType
from textual._compositor import Compositor
from textual._wait import SLEEP_GRANULARITY, wait_for_idle
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.css.types import CSSLocation
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip


def share_styles(patch: pytest.MonkeyPatch) -> None:
    """Parse each sheet once for all wizards with the same variables: parsing is a tenth of a wizard's test.

    What a sheet means follows from its text, its place and the theme's variables, all of which are in the key; a
    widget copies what applies to it, and nothing writes into the rules.
    """
    parse = Stylesheet._parse_rules
    sheets: dict[tuple[object, ...], list[RuleSet]] = {}

    def parse_once(
        self: Stylesheet,
        css: str,
        read_from: CSSLocation,
        is_default_rules: bool = False,
        tie_breaker: int = 0,
        scope: str = "",
    ) -> list[RuleSet]:
        sheet = (css, read_from, is_default_rules, tie_breaker, scope)
        if sheet not in self._parse_cache:
            key = (sheet, *self._variables.items())
            if key not in sheets:
                sheets[key] = parse(self, *sheet)
            self._parse_cache[sheet] = sheets[key]
        return self._parse_cache[sheet]

    patch.setattr(Stylesheet, "_parse_rules", parse_once)


def compose_for_terminals_only(patch: pytest.MonkeyPatch) -> None:
    """Draw every part of a screen, but do not put the parts together where no terminal shows them.

    A headless app throws each composed picture away. A picture that a test asks for is composed as ever.
    """
    render_update, render_chops = Compositor.render_update, Compositor._render_chops
    unseen = False

    def render_update_if_seen(
        self: Compositor,
        full: bool = False,
        screen_stack: list[Screen[object]] | None = None,
        simplify: bool = False,
    ) -> RenderableType | None:
        nonlocal unseen
        unseen = not full and self.root is not None and self.root.app.is_headless
        try:
            return render_update(self, full, screen_stack, simplify)
        finally:
            unseen = False

    def render_chops_if_seen(
        self: Compositor, crop: Region, is_rendered_line: Callable[[int], bool]
    ) -> Sequence[Mapping[int, Strip]]:
        if not unseen:
            return render_chops(self, crop, is_rendered_line)
        for _ in self._get_renders(crop):
            pass
        return []

    patch.setattr(Compositor, "render_update", render_update_if_seen)
    patch.setattr(Compositor, "_render_chops", render_chops_if_seen)


def wait_for_the_loop(patch: pytest.MonkeyPatch) -> None:
    """Take no app for idle whose loop still has work to do.

    Textual asks how much processor time has passed, which is little, too, where other processes have it all.
    """

    async def wait(min_sleep: float = SLEEP_GRANULARITY, max_sleep: float = 1) -> None:
        loop = asyncio.get_running_loop()
        end = time.monotonic() + max_sleep
        await wait_for_idle(min_sleep, max_sleep)
        while loop._ready and time.monotonic() < end:  # type: ignore[attr-defined]
            await wait_for_idle(min_sleep, max_sleep)

    patch.setattr(textual.app, "wait_for_idle", wait)
    patch.setattr(textual.pilot, "wait_for_idle", wait)
