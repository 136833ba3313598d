"""The chat: up to three conversations with the same questions, compared, saved and replayed."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from firstlight_core.artifact.target import Target, artifact_target, find_target
from firstlight_core.documents.inference import ChatRecord, ConnectedServer
from firstlight_core.errors import UsageError
from firstlight_core.inference.transcript import (
    Parting,
    Turn,
    load_conversation,
    parting,
    save_conversation,
)
from firstlight_core.session import Session
from firstlight_tui.state.conversation import Change, Conversation, OpenTarget
from firstlight_tui.state.sampling_settings import SamplingSettings
from firstlight_tui.state.signal import Signal
from firstlight_tui.state.tasks import Tasks

MOST = 3
"""Conversations side by side."""
REST_SECONDS = 0.1
ASKING = "asking"
"""The background task that asks all conversations."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the newest answer of a conversation compares with the others': where it departs, and in words."""

    parting: Parting | None = None
    words: str = ""


class Chat:
    """The conversations of the chat; the first one belongs to the session's target."""

    def __init__(
        self,
        open_target: OpenTarget,
        tasks: Tasks,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_target = open_target
        self._tasks = tasks
        self._clock = clock
        self.changed: Signal[Change] = Signal()
        self.first = self._conversation("engine")
        self.beside: list[Conversation] = []
        """Further conversations, each with a backend of its own."""
        self.queued: list[str] = []
        """Questions that wait until the answer before them is complete."""
        self._asking: object | None = None
        """Marks the questions that are being asked; None when all are answered."""

    def _conversation(self, group: str) -> Conversation:
        return Conversation(
            self._open_target, self._tasks, self.changed.publish, group=group, clock=self._clock
        )

    @property
    def conversations(self) -> list[Conversation]:
        """All conversations, the first one first."""
        return [self.first, *self.beside]

    @property
    def answering(self) -> bool:
        """True if any answer is being made or waited for."""
        return self._asking is not None or any(c.awaiting_answer for c in self.conversations)

    @property
    def busy(self) -> bool:
        """True if any model is being loaded or any answer is being made."""
        return any(conversation.busy for conversation in self.conversations)

    @property
    def newest_answer(self) -> Turn | None:
        """The newest answer of the first conversation."""
        return self.first.answers[-1] if self.first.answers else None

    def follow(self, session: Session) -> None:
        """Open the session's target; a conversation that was kept stays until the session names another target."""
        first = self.first
        if session.target is None:
            return
        if first.session_target != session.target:
            first.session_target = session.target
            find = artifact_target if session.endpoint is None else find_target
            first.open(find(session.target), network=session.network)
        elif first.target is not None and first.status == "closed":
            first.open(first.target, network=first.network)

    def close(self) -> None:
        """Unload every model."""
        for conversation in self.conversations:
            conversation.close()

    def sample(self) -> None:
        """Read the memory of every answering process and notice its death."""
        for conversation in self.conversations:
            conversation.sample()

    # Asking ---------------------------------------------------------------------------------------

    def ask(self, question: str) -> None:
        """Ask every conversation, in the background; while an answer is made, the question waits for its turn."""
        if self.answering:
            self.queued.append(question)
            self.changed.publish("status")
        else:
            self._begin([question])

    def _begin(self, questions: list[str]) -> None:
        """Ask these questions in the background, and then those that were queued meanwhile."""
        # Set before the task begins: a question in between must not end it.
        mark = self._asking = object()

        async def ask_each() -> None:
            try:
                for question in questions:
                    await self.ask_all(question)
                while self.queued:
                    await self.ask_all(self.queued.pop(0))
            finally:
                if self._asking is mark:
                    self._asking = None
                    self.changed.publish("status")

        self._tasks.begin(ask_each, name=ASKING, group=ASKING)

    async def rest(self) -> None:
        """Return once no answer is being made."""
        while self.answering:
            await asyncio.sleep(REST_SECONDS)

    def take_queued(self) -> str:
        """Remove the questions that wait; returns them, one a line."""
        questions, self.queued = self.queued, []
        return "\n".join(questions)

    async def ask_all(self, question: str) -> None:
        """Ask every conversation, one after another, so that none slows another's figures."""
        conversations = self.conversations
        seed = random.SystemRandom().randrange(2**31) if len(conversations) > 1 else None
        # All get the question at once: a stop leaves every conversation with the same questions.
        for conversation in conversations:
            conversation.system, conversation.settings = self.first.system, self.first.settings
            conversation.shared_seed = seed
            conversation.add_question(question)
        for conversation in conversations:
            # A conversation that was closed while another answered must not be opened again.
            if conversation in self.conversations:
                await conversation.ask()
        self.changed.publish("status")

    async def stop(self) -> None:
        """Stop all answers that are being made; their text stays."""
        self._tasks.cancel(ASKING)
        self._asking = None
        for conversation in self.conversations:
            await conversation.stop()

    def take_back(self) -> str:
        """Remove the newest question and its answers; returns the question, empty when there is none."""
        for conversation in self.beside:
            conversation.take_back()
        return self.first.take_back()

    def clear(self) -> None:
        """Forget all turns and what waits to be asked; the models stay loaded."""
        self.queued.clear()
        for conversation in self.conversations:
            conversation.clear()

    def rate(self, answer: Turn, stars: int) -> None:
        """Rate an answer, 1 to 5."""
        answer.rating = stars
        self.changed.publish("status")

    def apply(self, settings: SamplingSettings) -> None:
        """Use these settings for the next answers of every conversation; another context loads the artifacts again.

        Raises:
            FirstlightError: the context is not possible; nothing is changed.
        """
        reload = settings.context != self.first.settings.context
        if reload and self.first.served:
            raise UsageError("A server has a context of its own.", hint="Leave context empty.")
        if reload and self.first.artifact is not None:
            from firstlight_tui.state.candidates import check_fits

            check_fits(artifact_target(self.first.artifact), settings.context)
        for conversation in self.conversations:
            conversation.settings = settings
            if reload and not conversation.served:
                conversation.open_again()
        self.changed.publish("status")

    # Side by side ---------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """True if no further conversation can be added."""
        return len(self.conversations) >= MOST

    def add(self, target: Target, *, network: bool = False) -> None:
        """Add a conversation with the same turns; it answers the newest question at once.

        Raises:
            FirstlightError: the target cannot be opened, or does not fit into memory.
        """
        from firstlight_tui.state.candidates import check_fits

        first = self.first
        check_fits(target, first.settings.context)
        # A group of its own: beginning a task ends the one of the same group.
        used = {conversation.group for conversation in self.conversations}
        group = next(name for n in range(2, MOST + 2) if (name := f"engine-{n}") not in used)
        conversation = self._conversation(group)
        conversation.system, conversation.settings = first.system, first.settings
        self.beside.append(conversation)
        conversation.open(target, network=network)
        turns = list(first.turns)
        while turns and turns[-1].role != "user":
            turns.pop()
        conversation.turns = [replace(turn, stats={}, rating=0, note="") for turn in turns]
        if turns:
            conversation.ask()
        self.changed.publish("status")

    def keep(self, remaining: Conversation, session: Session) -> Session:
        """Close the other conversations; returns the session that works on the kept conversation's target."""
        for conversation in self.conversations:
            if conversation is not remaining:
                conversation.close()
        self.first = remaining
        self.beside.clear()
        target = remaining.target
        if remaining.artifact is not None:
            session = session.decide(artifact=remaining.artifact, endpoint=None)
        elif target is not None and target.kind == "endpoint":
            server: ConnectedServer = {
                "target": target.text,
                "server": "",
                "model": target.model or "",
                "network": remaining.network,
            }
            session = session.decide(endpoint=server)
        # `follow` compares the session with this: the kept conversation is not opened anew.
        remaining.session_target = session.target
        self.changed.publish("status")
        return session

    def compare(self, conversation: Conversation) -> Comparison:
        """Compare the newest answer with the first conversation's; that of the first with the earliest departure."""
        conversations, first = self.conversations, self.first
        # A conversation that was stopped before it was asked has no answer to this question.
        answered = all(c.turns and c.turns[-1].role == "assistant" for c in conversations)
        if len(conversations) == 1 or self.busy or not answered:
            return Comparison()
        answer = first.answers[-1]
        if conversation is first:
            partings = [at for other in self.beside if (at := parting(answer, other.answers[-1]))]
            return Comparison(min(partings, key=lambda at: at.start, default=None))
        at = parting(conversation.answers[-1], answer)
        if at is None:
            return Comparison(None, f"same as {first.name}")
        position = f" from token {at.token + 1}" if at.token is not None else ""
        return Comparison(at, f"differs{position}")

    # Records --------------------------------------------------------------------------------------

    def document(self) -> ChatRecord | None:
        """Return the conversation as session and ledger keep it; None before the first answer."""
        answers = [turn for turn in self.first.answers if turn.stats]
        if not answers:
            return None
        return {
            "kind": "conversation",
            "turns": [{"role": turn.role, "text": turn.text} for turn in self.first.turns],
            "stats": [turn.stats for turn in answers],
            "ratings": self.first.ratings,
        }

    @property
    def newest_question(self) -> str:
        """The newest question of the first conversation; empty when there is none."""
        questions = (turn.text for turn in reversed(self.first.turns) if turn.role == "user")
        return next(questions, "")

    def save(self, folder: Path) -> list[tuple[Path, Path]]:
        """Write every conversation as Markdown and JSON lines; a newer save of the same one replaces it.

        Raises:
            StateProblem: the folder cannot be written.
        """
        paths = []
        for conversation in self.conversations:
            markdown, lines = save_conversation(
                folder,
                conversation.name,
                conversation.system,
                conversation.turns,
                name=conversation.saved.get(folder),
            )
            conversation.saved[folder] = markdown.stem
            paths.append((markdown, lines))
        return paths

    def saved_file(self, folder: Path) -> Path:
        """Return where the first conversation is, or would be, saved in a folder."""
        return folder / f"{self.first.saved.get(folder, 'conversation')}.jsonl"

    def replay(self, path: Path) -> None:
        """Begin anew with the system prompt and the questions of a saved conversation, in the background.

        Raises:
            InputRefused: the file is not a saved conversation.
        """
        system, turns = load_conversation(path)
        questions = [turn.text for turn in turns if turn.role == "user"]
        self.clear()
        self.first.system = system
        self._begin(questions)
