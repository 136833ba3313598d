"""The parts of the workspace and of the screen that the chat's commands use, so that tests need neither."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from firstlight_core.artifact.target import Target
from firstlight_core.documents.inference import RenderedPrompt
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.transcript import Turn
from firstlight_core.session import Session
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.state.sampling_settings import SamplingSettings


class ChatWorkspace(Protocol):
    """The part of the workspace that the commands use."""

    @property
    def chat(self) -> Chat:
        """The chat."""
        ...

    @property
    def session(self) -> Session:
        """The session: decisions and results so far."""
        ...

    @session.setter
    def session(self, session: Session) -> None: ...

    def run_folder(self) -> Path:
        """Return the folder of this run."""
        ...


class ChatView(Protocol):
    """The functions of the screen that the commands call."""

    def inform(self, words: str, *, warning: bool = False) -> None:
        """Show a short message for a moment."""

    def show_problem(self, error: FirstlightError) -> None:
        """Show an error until the next command or question."""

    def clear_problem(self) -> None:
        """Take the shown error away."""

    def show_page(self, title: str, text: str) -> None:
        """Show a longer text."""

    def show_prompt(self, rendered: RenderedPrompt) -> None:
        """Show a rendered prompt and its tokens."""

    def show_tokens(self, answer: Turn, conversation: Conversation) -> None:
        """Show an answer token by token, with the alternatives of each."""

    def choose(
        self, title: str, rows: Sequence[tuple[str, str]], use: Callable[[str], object]
    ) -> None:
        """Let the user choose a row of `(key, label)`; `use` is called with the key of the chosen one."""

    def choose_server(self, use: Callable[[Target, bool], object]) -> None:
        """Let the user choose a running server; `use` is called with it and whether the network may be used."""

    def edit_settings(
        self,
        settings: SamplingSettings,
        facts: str,
        check_form: Callable[[SamplingSettings], Awaitable[None]],
        use: Callable[[SamplingSettings], object],
    ) -> None:
        """Let the user edit the sampling settings; `use` is called with the new ones."""

    def write_question(self, text: str, *, keep_draft: bool = False) -> None:
        """Put a text into the question field; `keep_draft` keeps what was there in the field's history."""

    def copy(self, text: str) -> None:
        """Put a text on the clipboard."""

    def toggle_markdown(self) -> bool:
        """Switch between Markdown and plain text; returns whether it is Markdown now."""

    def leave(self) -> None:
        """Go to the step before."""

    def begin(self, work: Callable[[], Awaitable[Any]], *, group: str) -> None:
        """Run `work` in the background while the chat is on the screen; ends earlier work of the group."""
