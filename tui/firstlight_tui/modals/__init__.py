"""Screens on top of a step."""

from firstlight_tui.modals.confirm import ConfirmScreen
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.modals.pick import ChooseScreen

__all__ = ["ChooseScreen", "ConfirmScreen", "DetailScreen"]
