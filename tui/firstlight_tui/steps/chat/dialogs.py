"""The dialogs that commands open over the chat: lists, pages, settings, the tokens of an answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from firstlight_core.artifact.target import Target, find_target
from firstlight_core.documents.inference import RenderedPrompt
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.transcript import Turn
from firstlight_tui.modals import ChooseScreen, DetailScreen
from firstlight_tui.modals.connect import ServerChoice, ask_server
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.state.sampling_settings import SamplingSettings
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.chat.sampling_screen import SamplingScreen
from firstlight_tui.steps.chat.token_screen import AlternativesScreen
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.ask import Ask
from firstlight_tui.widgets.token_view import prompt_tokens_content


class ChatDialogs:
    """`state.chat_view.ChatView` on the screen of the chat; decides nothing."""

    def __init__(
        self, screen: StepScreen, question: Ask, toggle_markdown: Callable[[], bool]
    ) -> None:
        """`question` is the field of the question; `toggle_markdown` returns whether answers are Markdown now."""
        self._screen = screen
        self._question = question
        self._toggle_markdown = toggle_markdown

    def inform(self, words: str, *, warning: bool = False) -> None:
        """Show a notification."""
        self._screen.notify(words, severity="warning" if warning else "information", markup=False)

    def show_problem(self, error: FirstlightError) -> None:
        """Show an error in the problem panel."""
        self._screen.show_problem(error)

    def clear_problem(self) -> None:
        """Take the problem panel away."""
        self._screen.clear_problem()

    def show_page(self, title: str, text: str) -> None:
        """Show a longer text, to read and copy."""
        self._screen.app.push_screen(DetailScreen(title, text))

    def show_prompt(self, rendered: RenderedPrompt) -> None:
        """Show a rendered prompt and its tokens."""
        title = f"The prompt: {rendered['prompt_tokens']} tokens"
        self._screen.app.push_screen(DetailScreen(title, prompt_tokens_content(rendered)))

    def show_tokens(self, answer: Turn, conversation: Conversation) -> None:
        """Open the answer token by token."""
        screen = AlternativesScreen(answer, lambda index: conversation.alternatives(answer, index))
        self._screen.app.push_screen(screen)

    def choose(
        self, title: str, rows: Sequence[tuple[str, str]], use: Callable[[str], object]
    ) -> None:
        """Open a list; nothing happens when it is closed without a choice."""

        def chosen(key: str | None) -> None:
            if key is not None:
                use(key)

        self._screen.app.push_screen(ChooseScreen(title, rows), chosen)

    def choose_server(self, use: Callable[[Target, bool], object]) -> None:
        """Open the list of running servers."""

        def chosen(answer: ServerChoice | None) -> None:
            if answer is not None and answer.server is not None:
                use(find_target(answer.server["target"]), answer.server["network"])

        ask_server(self._screen, chosen)

    def edit_settings(
        self,
        settings: SamplingSettings,
        facts: str,
        check_form: Callable[[SamplingSettings], Awaitable[None]],
        use: Callable[[SamplingSettings], object],
    ) -> None:
        """Open the sampling settings."""

        def chosen(changed: SamplingSettings | None) -> None:
            if changed is not None:
                use(changed)

        self._screen.app.push_screen(SamplingScreen(settings, facts, check_form), chosen)

    def write_question(self, text: str, *, keep_draft: bool = False) -> None:
        """Put a text into the question field and the cursor behind it."""
        field = self._question
        if keep_draft:
            field.keep(field.text)
        field.text = text
        field.move_cursor(field.document.end)
        field.focus()

    def copy(self, text: str) -> None:
        """Put a text on the clipboard."""
        self._screen.app.copy_to_clipboard(text)

    def toggle_markdown(self) -> bool:
        """Switch between Markdown and plain text."""
        return self._toggle_markdown()

    def leave(self) -> None:
        """Go to the step before."""
        self._screen.action_back()

    def begin(self, work: Callable[[], Awaitable[Any]], *, group: str) -> None:
        """Run `work` as a worker of the screen."""
        begin(self._screen, work, group=group)
