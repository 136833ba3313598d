"""The building blocks of the steps; none of them knows a step."""

from firstlight_tui.widgets.key_bar import KeyBar
from firstlight_tui.widgets.monitor_pane import MonitorPane
from firstlight_tui.widgets.problem import ProblemPanel
from firstlight_tui.widgets.step_rail import RailEntry, StepChosen, StepRail
from firstlight_tui.widgets.words import Words, cell
from firstlight_tui.widgets.work_view import WorkView

__all__ = [
    "KeyBar",
    "MonitorPane",
    "ProblemPanel",
    "RailEntry",
    "StepChosen",
    "StepRail",
    "Words",
    "WorkView",
    "cell",
]
