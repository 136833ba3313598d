"""What the chat keeps and tells of itself: history, figures, who answers, saved and replayed conversations."""

from typing import TYPE_CHECKING, Any

from firstlight_core.errors import FirstlightError
from firstlight_core.inference.transcript import load_conversation, save_conversation
from firstlight_core.paths import expanded
from firstlight_core.text import bytes_text, one_line, seconds_text, shown_path
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.chat.lanes import busy
from firstlight_tui.widgets.lane import figures

if TYPE_CHECKING:
    from firstlight_tui.steps.chat.screen import ChatStep


def remember(step: "ChatStep") -> None:
    """Write the conversation into the session and the run's ledger, once there is an answer."""
    answers = [turn for turn in step.talk.answers if turn.stats]
    if not answers:
        return
    chat: dict[str, Any] = {
        "turns": [{"role": turn.role, "text": turn.text} for turn in step.talk.turns],
        "stats": [turn.stats for turn in answers],
        "ratings": step.talk.ratings,
    }
    if step.session.chat != chat:
        step.wizard.session = step.session.decide(chat=chat)
        asked = [turn.text for turn in step.talk.turns if turn.role == "user"]
        step.wizard.record("chat", "done", prompt=asked[-1] if asked else "", **chat)


def history(step: "ChatStep", rest: str) -> None:
    """The whole conversation, to read and copy."""
    talk = step.talk
    lines = [f"system: {talk.system}\n"] if talk.system else []
    for turn in talk.turns:
        lines.append(f"{'you' if turn.role == 'user' else talk.name}: {turn.said}")
        lines.append(f"{figures(turn)}{'  ' + '★' * turn.rating if turn.rating else ''}\n")
    text = "\n".join(lines) or "Nothing has been said yet."
    step.app.push_screen(DetailScreen("History", text))


def stats(step: "ChatStep", rest: str) -> None:
    """What every answer cost."""
    rows = [
        f"{lane.name}, {one_line(turn.text, 40)!r}\n  {figures(turn)}"
        for lane in step.lanes
        for turn in lane.answers
        if turn.stats
    ]
    step.app.push_screen(DetailScreen("Measured", "\n".join(rows) or "No answer yet."))


def model(step: "ChatStep", rest: str) -> None:
    """Who answers, and what that takes."""
    rows = []
    for lane in step.lanes:
        said = lane.loaded
        rows.append(f"{lane.name}: {shown_path(lane.target.text) if lane.target else ''}")
        if (load := said.get("load_s")) is not None:
            rows.append(f"  ready after {seconds_text(load)}")
        if (rss := lane.rss_bytes) is not None:
            rows.append(f"  RAM of its process {bytes_text(rss)}")
        rows += [f"  {said[name]}" for name in ("context", "memory") if name in said]
        rows += [f"  {name}: {said[name]}" for name in ("dtype", "model") if name in said]
    step.app.push_screen(DetailScreen("Who answers", "\n".join(rows)))


def save(step: "ChatStep", rest: str) -> None:
    """Write the conversation of every lane beside the run, or into a folder; a newer save of the same one replaces it."""
    written = []
    try:
        folder = expanded(rest) if rest else step.wizard.run_folder()
        for talk in step.lanes:
            name = talk.saved.get(folder)
            paths = save_conversation(folder, talk.name, talk.system, talk.turns, name=name)
            talk.saved[folder] = paths[0].stem
            written.append(paths)
    except FirstlightError as error:
        step.show_problem(error)
    else:
        others = "".join(f"; {markdown.name}" for markdown, _ in written[1:])
        (markdown, lines), *_ = written
        step.notify(f"Saved: {shown_path(markdown)} and {lines.name}{others}", markup=False)


def replay(step: "ChatStep", rest: str) -> None:
    """Ask the questions of a saved conversation again."""
    if busy(step):
        return
    try:
        folder = step.wizard.run_folder()
        default = folder / f"{step.talk.saved.get(folder, 'conversation')}.jsonl"
        system, turns = load_conversation(expanded(rest) if rest else default)
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
