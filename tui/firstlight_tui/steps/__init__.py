"""The steps, in the order the user meets them. Adding a step is one module and one name here."""

from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.convert.screen import ConvertStep
from firstlight_tui.steps.deploy.screen import DeployStep
from firstlight_tui.steps.environment.screen import EnvironmentStep
from firstlight_tui.steps.model.screen import ModelStep
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.steps.quality.screen import QualityStep
from firstlight_tui.steps.summary.screen import SummaryStep
from firstlight_tui.steps.template.screen import TemplateStep

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
