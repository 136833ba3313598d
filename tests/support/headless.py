"""How a wizard without a terminal runs in the tests: parsed styles are shared, and it is idle when its loop is."""

import asyncio
import time

import pytest
import textual.app
import textual.pilot
from textual._wait import SLEEP_GRANULARITY, wait_for_idle
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.css.types import CSSLocation


def share_styles(patch: pytest.MonkeyPatch) -> None:
    """Parse each sheet once for all wizards with the same variables: parsing is a fifth of a wizard's test.

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
    # The same identity, without a call of Python for each rule and widget.
    patch.setattr(RuleSet, "__hash__", object.__hash__)


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
