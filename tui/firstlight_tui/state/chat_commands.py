"""The slash commands of the chat: one table, and what each command does to the chat."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from firstlight_core.artifact.target import Target, find_target
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.structured_output import read_schema
from firstlight_core.paths import expanded
from firstlight_core.text import one_line, shown_path
from firstlight_tui.state.candidates import candidates
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.chat_pages import figures_text, history_text, models_text
from firstlight_tui.state.chat_view import ChatView, ChatWorkspace
from firstlight_tui.state.sampling_settings import SamplingSettings, read_setting, setting_words

SERVER = "server"
"""The row of the list of candidates that leads to the running servers."""


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command: what it does, in words and in code, and whether it needs an argument."""

    words: str
    run: "Callable[[ChatCommands, str], None]"
    needs_argument: bool = False


class ChatCommands:
    """Carries out slash commands on the chat of a workspace."""

    def __init__(self, workspace: ChatWorkspace, view: ChatView) -> None:
        self._workspace = workspace
        self._view = view

    @property
    def _chat(self) -> Chat:
        return self._workspace.chat

    def run(self, line: str) -> None:
        """Carry out one line; an unknown command is reported."""
        word, *others = line.split(maxsplit=1)
        argument = others[0].strip() if others else ""
        word = "/help" if word == "/" else ALIASES.get(word, word)
        if word in COMMANDS:
            COMMANDS[word].run(self, argument)
            return
        similar = [name for name in COMMANDS if len(word) > 1 and name.startswith(word)]
        if len(similar) == 1:
            self.run(line.replace(word, similar[0], 1))
            return
        words = f"Did you mean {' or '.join(similar)}?" if similar else "/help lists them."
        self._view.inform(f"There is no {one_line(word, 20)}. {words}", warning=True)

    def _busy(self) -> bool:
        """Return whether an answer is being made, and tell the user so."""
        if self._chat.answering:
            self._view.inform("An answer is being made: Esc stops it.")
        return self._chat.answering

    # Conversation ---------------------------------------------------------------------------------

    def help(self, argument: str) -> None:
        """List the commands; the chosen one is carried out, or written when it needs an argument."""
        rows = [(name, f"{name:13}{command.words}") for name, command in COMMANDS.items()]

        def use(name: str) -> None:
            if COMMANDS[name].needs_argument:
                self._view.write_question(f"{name} ")
            else:
                self.run(name)

        self._view.choose("Chat: Enter does it", rows, use)

    def retry(self, argument: str) -> None:
        """Ask the last question again, with the settings as they are now."""
        if self._busy():
            return
        if not (question := self._chat.take_back()):
            return self._view.inform("There is no question yet.")
        self._view.clear_problem()
        self._chat.ask(question)

    def edit(self, argument: str) -> None:
        """Take the last question back into the field."""
        if not self._busy() and (question := self._chat.take_back()):
            self._view.write_question(question, keep_draft=True)

    def copy(self, argument: str) -> None:
        """Copy the newest answer."""
        answers = [text for turn in self._chat.first.answers if (text := turn.content)]
        if answers:
            self._view.copy(answers[-1])
            self._view.inform(f"Copied {len(answers[-1])} characters.")
        else:
            self._view.inform("There is no answer yet.")

    def rate(self, argument: str) -> None:
        """Rate the newest answer with 1 to 5 stars; `+` gives one star more."""
        answer = self._chat.newest_answer
        if answer is not None and argument == "+":
            self._chat.rate(answer, answer.rating % 5 + 1)
        elif answer is not None and argument in ("1", "2", "3", "4", "5"):
            self._chat.rate(answer, int(argument))
        elif argument or answer is None:
            self._view.inform("Rate an answer from 1 to 5: /rate 4", warning=True)
        else:
            rows = [(str(n), "★" * n + "☆" * (5 - n)) for n in range(5, 0, -1)]
            rate = partial(self._chat.rate, answer)
            self._view.choose("How good is this answer?", rows, lambda key: rate(int(key)))

    def clear(self, argument: str) -> None:
        """Forget all turns and stop the answers that are being made."""
        self._chat.clear()
        self._view.begin(self._chat.stop, group="stop")

    # Side by side ---------------------------------------------------------------------------------

    def beside(self, argument: str) -> None:
        """Put another model beside: the named one, or one that the user chooses."""
        if self._chat.full:
            self._view.inform("Three columns are the most.")
        elif not self._busy():
            work = partial(self._add_named, argument) if argument else self._offer_candidates
            self._view.begin(work, group="beside")

    async def _add_named(self, text: str) -> None:
        try:
            target = await asyncio.to_thread(find_target, text)
        except FirstlightError as error:
            self._view.inform(error.with_hint, warning=True)
        else:
            self.add(target)

    async def _offer_candidates(self) -> None:
        used = [conversation.target for conversation in self._chat.conversations]
        session, artifact = self._workspace.session, self._chat.first.artifact
        offered = await asyncio.to_thread(candidates, session, artifact)
        offered = [candidate for candidate in offered if candidate.target not in used]
        rows = [(str(number), candidate.words) for number, candidate in enumerate(offered)]
        rows.append((SERVER, "a running server …"))

        def use(key: str) -> None:
            if key == SERVER:
                self._view.choose_server(self.add)
            else:
                self.add(offered[int(key)].target)

        self._view.choose("Compare with", rows, use)

    def add(self, target: Target, network: bool = False) -> None:
        """Add a conversation with a target, or show why it cannot be opened."""
        try:
            self._chat.add(target, network=network)
        except FirstlightError as error:
            self._view.show_problem(error)

    def keep(self, argument: str) -> None:
        """Let the user choose the model to keep; the others are closed."""
        conversations = self._chat.conversations
        if len(conversations) == 1:
            self._view.inform("There is only one column: F6 adds another.")
            return
        rows = [(str(number), c.name) for number, c in enumerate(conversations)]

        def use(key: str) -> None:
            conversation = conversations[int(key)]
            self._workspace.session = self._chat.keep(conversation, self._workspace.session)

        self._view.choose("Keep which one?", rows, use)

    # Settings -------------------------------------------------------------------------------------

    def system(self, argument: str) -> None:
        """Set the system prompt; an empty argument removes it."""
        before, self._chat.first.system = self._chat.first.system, argument
        was = f" It was: {one_line(before, 80)}" if before and not argument else ""
        self._view.inform("System prompt set." if argument else f"No system prompt.{was}")

    def settings(self, argument: str) -> None:
        """Open the sampling settings."""
        first = self._chat.first
        facts = first.loaded.get("context", "") if first.loaded is not None else ""
        self._view.edit_settings(first.settings, facts, first.check_form, self._apply)

    def _apply(self, settings: SamplingSettings) -> bool:
        """Use the settings; returns False, and shows the reason, when they are not possible."""
        try:
            self._chat.apply(settings)
        except FirstlightError as error:
            self._view.show_problem(error)
            return False
        return True

    def change(self, argument: str, *, name: str) -> None:
        """Change one setting."""
        try:
            value = read_setting(name, argument)
        except ValueError as error:
            self._view.inform(str(error), warning=True)
            return
        if self._apply(self._chat.first.settings.with_number(name, value)):
            self._view.inform(f"{name}: {setting_words(name, value)}")

    def schema(self, argument: str) -> None:
        """Hold answers to a JSON schema, after the backend has tried it."""
        try:
            schema = read_schema(argument) if argument else None
        except FirstlightError as error:
            self._view.show_problem(error)
        else:
            self._use_form(replace(self._chat.first.settings, json_schema=schema, regex=None))

    def regex(self, argument: str) -> None:
        """Hold answers to a regex, after the backend has tried it."""
        settings = self._chat.first.settings
        self._use_form(replace(settings, json_schema=None, regex=argument or None))

    def _use_form(self, settings: SamplingSettings) -> None:
        async def try_it() -> None:
            try:
                await self._chat.first.check_form(settings)
            except FirstlightError as error:
                self._view.show_problem(error)
                return
            self._view.clear_problem()
            self._apply(settings)
            held = settings.form()
            self._view.inform("Answers follow this form now." if held else "Answers are free.")

        self._view.begin(try_it, group="form")

    # Views ----------------------------------------------------------------------------------------

    def prompt(self, argument: str) -> None:
        """Show the prompt of the newest answer, as the model read it."""
        if not self._chat.first.answers:
            self._view.inform("Nothing has been asked yet.")
            return

        async def show() -> None:
            try:
                rendered = await self._chat.first.render()
            except FirstlightError as error:
                self._view.show_problem(error)
            else:
                self._view.show_prompt(rendered)

        self._view.begin(show, group="prompt")

    def tokens(self, argument: str) -> None:
        """Show the newest answer token by token, each with what else was likely."""
        first = self._chat.first
        answer = next((turn for turn in reversed(first.answers) if turn.text), None)
        if answer is None or self._chat.answering:
            self._view.inform("There is no complete answer yet.")
        elif not answer.ids or min(answer.ids) < 0:
            self._view.inform("A server does not tell the tokens of its answers.")
        else:
            self._view.show_tokens(answer, first)

    def markdown(self, argument: str) -> None:
        """Switch between Markdown and plain text."""
        self._view.inform("Markdown." if self._view.toggle_markdown() else "Plain text.")

    def history(self, argument: str) -> None:
        """Show the whole conversation, to read and copy."""
        self._view.show_page("History", history_text(self._chat.first))

    def stats(self, argument: str) -> None:
        """Show what every answer cost."""
        self._view.show_page("Measured", figures_text(self._chat.conversations))

    def model(self, argument: str) -> None:
        """Show which models answer, and what each needs."""
        self._view.show_page("Who answers", models_text(self._chat.conversations))

    # Files ----------------------------------------------------------------------------------------

    def save(self, argument: str) -> None:
        """Save every conversation beside the run, or in a folder."""
        try:
            folder = expanded(argument) if argument else self._workspace.run_folder()
            saved = self._chat.save(folder)
        except FirstlightError as error:
            self._view.show_problem(error)
        else:
            others = "".join(f"; {markdown.name}" for markdown, _ in saved[1:])
            (markdown, lines), *_ = saved
            self._view.inform(f"Saved: {shown_path(markdown)} and {lines.name}{others}")

    def replay(self, argument: str) -> None:
        """Ask the questions of a saved conversation again."""
        if self._busy():
            return
        try:
            folder = self._workspace.run_folder()
            self._chat.replay(expanded(argument) if argument else self._chat.saved_file(folder))
        except FirstlightError as error:
            self._view.show_problem(error)

    def leave(self, argument: str) -> None:
        """Go to the step before."""
        self._view.leave()


COMMANDS: dict[str, Command] = {
    "/help": Command("this list", ChatCommands.help),
    "/retry": Command("ask the last question again (Ctrl+R)", ChatCommands.retry),
    "/edit": Command("change the last question (Ctrl+T)", ChatCommands.edit),
    "/copy": Command("copy the newest answer (F9)", ChatCommands.copy),
    "/tokens": Command("token by token: what else was likely", ChatCommands.tokens),
    "/rate": Command("[1..5] rate the newest answer (F8)", ChatCommands.rate),
    "/beside": Command(
        "[FOLDER, NAME or URL] compare with another model (F6)", ChatCommands.beside
    ),
    "/keep": Command("keep one column, close the others (F7)", ChatCommands.keep),
    "/system": Command("TEXT of the system prompt", ChatCommands.system, True),
    "/settings": Command("sampling settings (F5)", ChatCommands.settings),
    "/temperature": Command(
        "N: 0 is greedy", partial(ChatCommands.change, name="temperature"), True
    ),
    "/max-tokens": Command(
        "N: the longest answer", partial(ChatCommands.change, name="max_tokens"), True
    ),
    "/context": Command("N tokens of context", partial(ChatCommands.change, name="context"), True),
    "/schema": Command("FILE or JSON that answers follow", ChatCommands.schema, True),
    "/regex": Command("PATTERN that answers match", ChatCommands.regex, True),
    "/clear": Command("forget the conversation", ChatCommands.clear),
    "/history": Command("the conversation, to read and copy", ChatCommands.history),
    "/prompt": Command("what the model really reads (F4)", ChatCommands.prompt),
    "/markdown": Command("Markdown or plain text", ChatCommands.markdown),
    "/stats": Command("what each answer cost", ChatCommands.stats),
    "/model": Command("who answers, its memory and context", ChatCommands.model),
    "/save": Command("[FOLDER] Markdown and JSON lines", ChatCommands.save),
    "/replay": Command("[FILE] ask saved questions again", ChatCommands.replay),
    "/exit": Command("one step back", ChatCommands.leave),
}
"""The commands by name, in the order in which `/help` lists them."""
ALIASES = {"/system-prompt": "/system", "/bye": "/exit", "/quit": "/exit", "/?": "/help"}
"""Names from the chats of LM Studio and Ollama."""


def is_command(text: str) -> bool:
    """Return whether a text looks like a command; a path such as /etc/hosts is a question."""
    return re.match(r"/[\w?-]*(\s|$)", text) is not None
