"""The slash commands of the chat: one table, one function each."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from firstlight_core.errors import FirstlightError
from firstlight_core.inference.structured_output import read_schema
from firstlight_core.text import one_line
from firstlight_tui.modals import ChooseScreen
from firstlight_tui.state.sampling_settings import SamplingSettings
from firstlight_tui.steps.chat import lanes, records, views
from firstlight_tui.steps.chat.sampling_screen import read_setting
from firstlight_tui.widgets.ask import Ask

if TYPE_CHECKING:
    from firstlight_tui.steps.chat.screen import ChatStep

Command = Callable[["ChatStep", str], None]


def _help(step: "ChatStep", rest: str) -> None:
    rows = [(name, f"{name:13}{words}") for name, (_, words, _) in COMMANDS.items()]

    def chosen(name: str | None) -> None:
        if name is None:
            return
        if COMMANDS[name][2]:
            # It wants a word: let the user write it.
            _write(step, f"{name} ")
        else:
            obey(step, name)

    step.app.push_screen(ChooseScreen("Chat: Enter does it", rows), chosen)


def _retry(step: "ChatStep", rest: str) -> None:
    """Answer the last question again, in every lane, with the settings as they are now."""
    if not lanes.busy(step) and (question := _take_back(step)):
        step.send(question)


def _edit(step: "ChatStep", rest: str) -> None:
    """Take the last question back into the field."""
    if not lanes.busy(step) and (question := _take_back(step)):
        field = step.query_one("#ask", Ask)
        field.keep(field.text)
        _write(step, question)


def _take_back(step: "ChatStep") -> str:
    for lane in step.wizard.beside:
        lane.take_back()
    return step.talk.take_back()


def _write(step: "ChatStep", text: str) -> None:
    field = step.query_one("#ask", Ask)
    field.text = text
    field.move_cursor(field.document.end)
    field.focus()


def _markdown(step: "ChatStep", rest: str) -> None:
    step.rich = not step.rich
    step.notify("Markdown." if step.rich else "Plain text.", markup=False)
    step.changed("turn")


def _exit(step: "ChatStep", rest: str) -> None:
    step.action_back()


def _clear(step: "ChatStep", rest: str) -> None:
    for lane in step.lanes:
        lane.clear()
    step.call_next(step.action_stop)


def _system(step: "ChatStep", rest: str) -> None:
    before, step.talk.system = step.talk.system, rest
    was = f" It was: {one_line(before, 80)}" if before and not rest else ""
    step.notify("System prompt set." if rest else f"No system prompt.{was}", markup=False)


def _change(step: "ChatStep", rest: str, *, name: str) -> None:
    try:
        value = read_setting(name, rest)
    except ValueError as error:
        step.notify(str(error), severity="warning", markup=False)
        return
    words = "greedy" if (name, value) == ("temperature", 0) else value
    words = "as the artifact says" if value is None else words
    if views.apply(step, replace(step.talk.drawing, **{name: value})):
        step.notify(f"{name}: {words}", markup=False)


def _form(step: "ChatStep", drawing: SamplingSettings) -> None:
    """Use a form once the engine has tried it."""

    async def try_it() -> None:
        try:
            await step.talk.check_form(drawing)
        except FirstlightError as error:
            step.show_problem(error)
        else:
            step.clear_problem()
            views.apply(step, drawing)
            words = "Answers follow this form now." if drawing.form() else "Answers are free."
            step.notify(words, markup=False)

    step.run_worker(try_it(), group="form", exclusive=True)


def _schema(step: "ChatStep", rest: str) -> None:
    try:
        schema = read_schema(rest) if rest else None
    except FirstlightError as error:
        step.show_problem(error)
    else:
        _form(step, replace(step.talk.drawing, json_schema=schema, regex=None))


def _regex(step: "ChatStep", rest: str) -> None:
    _form(step, replace(step.talk.drawing, json_schema=None, regex=rest or None))


def _copy(step: "ChatStep", rest: str) -> None:
    answers = [said for turn in step.talk.answers if (said := turn.said)]
    if answers:
        step.app.copy_to_clipboard(answers[-1])
        step.notify(f"Copied {len(answers[-1])} characters.", markup=False)
    else:
        step.notify("There is no answer yet.", markup=False)


def _rate(step: "ChatStep", rest: str) -> None:
    """The course's Output Quality: 1 to 5 stars for the newest answer, `+` for one more."""
    newest = step.talk.answers[-1] if step.talk.answers else None

    def rate(stars: str | None) -> None:
        if newest is not None and stars:
            newest.rating = int(stars)
            step.changed("status")

    if newest is not None and rest == "+":
        rate(str(newest.rating % 5 + 1))
    elif newest is not None and rest in ("1", "2", "3", "4", "5"):
        rate(rest)
    elif rest or newest is None:
        step.notify("Rate an answer from 1 to 5: /rate 4", severity="warning", markup=False)
    else:
        rows = [(str(n), "★" * n + "☆" * (5 - n)) for n in range(5, 0, -1)]
        step.app.push_screen(ChooseScreen("How good is this answer?", rows), rate)


COMMANDS: dict[str, tuple[Command, str, bool]] = {
    "/help": (_help, "this list", False),
    "/retry": (_retry, "ask the last question again (Ctrl+R)", False),
    "/edit": (_edit, "change the last question (Ctrl+T)", False),
    "/copy": (_copy, "copy the newest answer (Ctrl+O)", False),
    "/tokens": (views.tokens, "token by token: what else was likely", False),
    "/rate": (_rate, "[1..5] rate the newest answer (F8)", False),
    "/beside": (lanes.compare, "[FOLDER, NAME or URL] compare with another model (F6)", False),
    "/keep": (lanes.keep, "keep one column, close the others (F7)", False),
    "/system": (_system, "TEXT of the system prompt", True),
    "/settings": (views.settings, "sampling settings (F5)", False),
    "/temperature": (partial(_change, name="temperature"), "N: 0 is greedy", True),
    "/max-tokens": (partial(_change, name="max_tokens"), "N: the longest answer", True),
    "/context": (partial(_change, name="context"), "N tokens of context", True),
    "/schema": (_schema, "FILE or JSON that answers follow", True),
    "/regex": (_regex, "PATTERN that answers match", True),
    "/clear": (_clear, "forget the conversation", False),
    "/history": (records.history, "the conversation, to read and copy", False),
    "/prompt": (views.prompt, "what the model really reads (F4)", False),
    "/markdown": (_markdown, "Markdown or plain text (F3)", False),
    "/stats": (records.stats, "what each answer cost", False),
    "/model": (records.model, "who answers, its memory and context", False),
    "/save": (records.save, "[FOLDER] Markdown and JSON lines", False),
    "/replay": (records.replay, "[FILE] ask saved questions again", False),
    "/exit": (_exit, "one step back", False),
}
"""Name → what it does, in words, and whether it wants a word."""
ALIASES = {"/system-prompt": "/system", "/bye": "/exit", "/quit": "/exit", "/?": "/help"}
"""What the chats of LM Studio and Ollama call them."""


def is_command(text: str) -> bool:
    """Whether it is one or looks like one; a path such as /etc/hosts is a question."""
    return re.match(r"/[\w?-]*(\s|$)", text) is not None


def obey(step: "ChatStep", line: str) -> None:
    """Carry out one slash command; an unknown one is told."""
    word, *others = line.split(maxsplit=1)
    rest = others[0] if others else ""
    word = "/help" if word == "/" else ALIASES.get(word, word)
    if word in COMMANDS:
        COMMANDS[word][0](step, rest.strip())
        return
    near = [name for name in COMMANDS if len(word) > 1 and name.startswith(word)]
    if len(near) == 1:
        obey(step, line.replace(word, near[0], 1))
    else:
        words = f"Did you mean {' or '.join(near)}?" if near else "/help lists them."
        step.notify(f"There is no {one_line(word, 20)}. {words}", severity="warning", markup=False)
