"""Screens on top of a step."""

from firstlight_tui.modals.choose import ChooseScreen
from firstlight_tui.modals.confirm import ConfirmScreen
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.modals.help import HelpScreen

__all__ = ["ChooseScreen", "ConfirmScreen", "DetailScreen", "HelpScreen"]
