"""What the chat opens over itself: the rendered prompt, the tokens of an answer, the settings."""

from pathlib import Path
from typing import TYPE_CHECKING

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.inference.context import choose_context
from firstlight_tui.modals import DetailScreen
from firstlight_tui.state.sampling_settings import SamplingSettings
from firstlight_tui.steps.chat.sampling_screen import DrawingScreen
from firstlight_tui.steps.chat.token_screen import AlternativesScreen
from firstlight_tui.widgets.token_view import prompt_tokens_content

if TYPE_CHECKING:
    from firstlight_tui.steps.chat.screen import ChatStep


def prompt(step: "ChatStep", rest: str = "") -> None:
    """The prompt of the newest answer, as the model read it, and its tokens."""
    if step.talk.answers:
        step.run_worker(_prompt(step), group="prompt", exclusive=True)
    else:
        step.notify("Nothing has been asked yet.", markup=False)


async def _prompt(step: "ChatStep") -> None:
    try:
        rendered = await step.talk.render()
    except FirstlightError as error:
        step.show_problem(error)
    else:
        title = f"The prompt: {rendered.get('prompt_tokens', 0)} tokens"
        step.app.push_screen(DetailScreen(title, prompt_tokens_content(rendered)))


def tokens(step: "ChatStep", rest: str = "") -> None:
    """The newest answer, token by token, each with what else was likely."""
    talk = step.talk
    answer = next((turn for turn in reversed(talk.answers) if turn.text), None)
    if answer is None or step.answering:
        step.notify("There is no complete answer yet.", markup=False)
    elif not answer.ids or min(answer.ids) < 0:
        step.notify("A server does not tell the tokens of its answers.", markup=False)
    else:
        step.app.push_screen(
            AlternativesScreen(answer, lambda place: talk.alternatives(answer, place))
        )


def settings(step: "ChatStep", rest: str = "") -> None:
    """The settings drawer; another context loads the artifact again."""
    talk = step.talk

    def use(drawing: SamplingSettings | None) -> None:
        if drawing is not None:
            apply(step, drawing)

    facts = str(talk.loaded.get("context", ""))
    step.app.push_screen(DrawingScreen(talk.drawing, facts, talk.check_form), use)


def apply(step: "ChatStep", drawing: SamplingSettings) -> bool:
    """Use these settings for the next answers of every lane; a context that cannot be is told and not used."""
    again = drawing.context != step.talk.drawing.context
    try:
        if again and step.talk.served:
            raise UsageError("A server has a context of its own.", hint="Leave context empty.")
        if again and step.talk.artifact is not None:
            choose_context(check_artifact(Path(step.talk.artifact)), drawing.context)
    except FirstlightError as error:
        step.show_problem(error)
        return False
    for lane in step.lanes:
        lane.drawing = drawing
        if again and not lane.served:
            lane.open_again()
    step.changed("status")
    return True
