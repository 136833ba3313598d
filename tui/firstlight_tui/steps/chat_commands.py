"""The slash commands of the chat: one table, one function each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight_core.errors import FirstlightError
from firstlight_core.talk.transcript import as_markdown, load_conversation, save_conversation
from firstlight_core.text import shown_path
from firstlight_tui.modals import DetailScreen
from firstlight_tui.modals.drawing import read_setting

if TYPE_CHECKING:
    from firstlight_tui.steps.chat import ChatStep

Command = Callable[["ChatStep", str], None]


def _help(step: "ChatStep", rest: str) -> None:
    rows = [f"{name:14} {words}" for name, (_, words) in COMMANDS.items()]
    step.app.push_screen(DetailScreen("Chat commands", "\n".join(rows)))


def _exit(step: "ChatStep", rest: str) -> None:
    step.action_back()


def _clear(step: "ChatStep", rest: str) -> None:
    for lane in step.lanes:
        lane.clear()


def _system(step: "ChatStep", rest: str) -> None:
    step.talk.system = rest
    step.notify("System prompt set." if rest else "No system prompt.", markup=False)


def _history(step: "ChatStep", rest: str) -> None:
    talk = step.talk
    text = as_markdown(str(talk.artifact), talk.system, talk.turns)
    step.app.push_screen(DetailScreen("History", text))


def _stats(step: "ChatStep", rest: str) -> None:
    rows = [f"{turn.text[:40]!r}: {turn.stats}" for turn in step.talk.answers if turn.stats]
    step.app.push_screen(DetailScreen("Measured", "\n".join(rows) or "No answer yet."))


def _model(step: "ChatStep", rest: str) -> None:
    rows = [f"{name}: {value}" for name, value in step.talk.loaded.items()]
    step.app.push_screen(DetailScreen("Model", "\n".join([str(step.talk.artifact), *rows])))


def _retry(step: "ChatStep", rest: str) -> None:
    step.action_retry()


def _edit(step: "ChatStep", rest: str) -> None:
    step.action_edit()


def _temperature(step: "ChatStep", rest: str) -> None:
    try:
        value = read_setting("temperature", rest)
    except ValueError as error:
        step.notify(str(error), severity="warning", markup=False)
        return
    step.talk.drawing = replace(step.talk.drawing, temperature=value)
    step.notify("Greedy." if value == 0 else f"Temperature {value:g}.", markup=False)


def _rate(step: "ChatStep", rest: str) -> None:
    if rest in ("1", "2", "3", "4", "5"):
        step.rate(int(rest))
    else:
        step.notify("Rate an answer from 1 to 5: /rate 4", severity="warning", markup=False)


def _save(step: "ChatStep", rest: str) -> None:
    talk = step.talk
    try:
        folder = Path(rest).expanduser() if rest else step.wizard.run_folder()
        paths = save_conversation(folder, str(talk.artifact), talk.system, talk.turns)
    except FirstlightError as error:
        step.show_problem(error)
    else:
        step.notify(f"Saved: {shown_path(paths[0])} and {paths[1].name}", markup=False)


def _replay(step: "ChatStep", rest: str) -> None:
    try:
        default = step.wizard.run_folder() / "conversation.jsonl"
        system, turns = load_conversation(Path(rest).expanduser() if rest else default)
    except FirstlightError as error:
        step.show_problem(error)
        return
    questions = [turn.text for turn in turns if turn.role == "user"]
    for lane in step.lanes:
        lane.clear()
    step.talk.system = system
    step.wizard.run_worker(_ask_all(step, questions), name="asking", group="asking", exclusive=True)


async def _ask_all(step: "ChatStep", questions: list[str]) -> None:
    for question in questions:
        await step.send_all(question)


COMMANDS: dict[str, tuple[Command, str]] = {
    "/help": (_help, "these commands"),
    "/clear": (_clear, "forget the conversation"),
    "/system": (_system, "TEXT: set the system prompt; nothing: none"),
    "/history": (_history, "the whole conversation, to read and copy"),
    "/stats": (_stats, "what each answer cost"),
    "/model": (_model, "the artifact and how it is loaded"),
    "/retry": (_retry, "answer the last question again"),
    "/edit": (_edit, "take the last question back and edit it"),
    "/temperature": (_temperature, "N: 0 is greedy"),
    "/rate": (_rate, "1..5: rate the newest answer"),
    "/save": (_save, "[FOLDER]: save as Markdown and JSON lines"),
    "/replay": (_replay, "[FILE]: ask the questions of a saved conversation again"),
    "/exit": (_exit, "one step back"),
}


def obey(step: "ChatStep", line: str) -> None:
    """Carry out one slash command; an unknown one is told."""
    word, _, rest = line.partition(" ")
    if word in COMMANDS:
        COMMANDS[word][0](step, rest.strip())
    else:
        step.notify(
            f"There is no {word[:20]}. There are: {' '.join(COMMANDS)}",
            severity="warning",
            markup=False,
        )
