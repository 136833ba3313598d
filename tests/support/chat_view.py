"""A chat without a screen: its commands tell a view that writes everything down."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight_core.artifact.target import Target
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.transcript import Turn
from firstlight_core.session import Session
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.state.sampling_settings import SamplingSettings
from tests.support.background import LoopTasks


@dataclass
class RecordingView:
    """`state.chat_view.ChatView`; `answers` are the keys that are chosen in the lists, in this order."""

    tasks: LoopTasks
    answers: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    lists: list[list[str]] = field(default_factory=list)
    question: str = ""
    clipboard: str = ""
    left: bool = False
    markdown: bool = True

    def inform(self, words: str, *, warning: bool = False) -> None:
        self.messages.append(words)

    def show_problem(self, error: FirstlightError) -> None:
        self.problems.append(str(error))

    def clear_problem(self) -> None:
        self.problems.clear()

    def show_page(self, title: str, text: str) -> None:
        self.pages[title] = text

    def show_prompt(self, rendered: Mapping[str, Any]) -> None:
        self.pages["prompt"] = str(rendered["text"])

    def show_tokens(self, answer: Turn, conversation: Conversation) -> None:
        self.pages["tokens"] = " ".join(answer.pieces)

    def choose(
        self, title: str, rows: Sequence[tuple[str, str]], use: Callable[[str], object]
    ) -> None:
        self.lists.append([label for _, label in rows])
        if self.answers:
            use(self.answers.pop(0))

    def choose_server(self, use: Callable[[Target, bool], object]) -> None:
        self.lists.append(["servers"])

    def edit_settings(
        self,
        settings: SamplingSettings,
        facts: str,
        check_form: Callable[[SamplingSettings], Awaitable[None]],
        use: Callable[[SamplingSettings], object],
    ) -> None:
        use(SamplingSettings(max_tokens=7))

    def write_question(self, text: str, *, keep_draft: bool = False) -> None:
        self.question = text

    def copy(self, text: str) -> None:
        self.clipboard = text

    def toggle_markdown(self) -> bool:
        self.markdown = not self.markdown
        return self.markdown

    def leave(self) -> None:
        self.left = True

    def begin(self, work: Callable[[], Awaitable[Any]], *, group: str) -> None:
        self.tasks.begin(work, group=group)


@dataclass
class ChatDesk:
    """`state.chat_commands.ChatWorkspace`: a chat, a session and a folder."""

    chat: Chat
    session: Session
    folder: Path

    def run_folder(self) -> Path:
        return self.folder
