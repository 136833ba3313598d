"""The steps, in the order the user meets them. Adding a step is one module and one name here."""

from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.benchmark import BenchmarkStep
from firstlight_tui.steps.chat import ChatStep
from firstlight_tui.steps.convert import ConvertStep
from firstlight_tui.steps.deploy import DeployStep
from firstlight_tui.steps.environment import EnvironmentStep
from firstlight_tui.steps.model import ModelStep
from firstlight_tui.steps.precision import PrecisionStep
from firstlight_tui.steps.quality import QualityStep
from firstlight_tui.steps.summary import SummaryStep
from firstlight_tui.steps.template import TemplateStep

STEPS: tuple[type[StepScreen], ...] = (
    EnvironmentStep,
    ModelStep,
    PrecisionStep,
    ConvertStep,
    TemplateStep,
    DeployStep,
    ChatStep,
    BenchmarkStep,
    QualityStep,
    SummaryStep,
)
