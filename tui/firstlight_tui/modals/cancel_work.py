"""Cancel long work at a user's request: never by a stray key, and with a question once there is something to lose."""

from collections.abc import Callable

from textual.dom import DOMNode

from firstlight_core.text import seconds_text
from firstlight_tui.modals.confirm import ConfirmScreen
from firstlight_tui.state.work import Work
from firstlight_tui.terminal.app import workspace_of

DEAF_SECONDS = 1.0
"""A request to cancel is ignored for this long after the start: the key was meant for the button before."""
ASK_AFTER_SECONDS = 10.0
"""Work that has run for longer is only cancelled after a question."""


class CancelQuestion(ConfirmScreen):
    """Asks whether to cancel work; goes away by itself when the work ends meanwhile."""

    def __init__(self, work: Work) -> None:
        super().__init__(
            _question(work), yes="Stop it", no="Let it wait" if work.waiting else "Let it run"
        )
        self.work = work

    def on_mount(self) -> None:
        """Watch the work."""
        workspace_of(self).worked.subscribe(self, self._worked)

    def _worked(self, work: Work) -> None:
        if work is self.work and not work.pending and not self.gone:
            self.dismiss(False)


def _question(work: Work) -> str:
    time = seconds_text(work.seconds)
    if work.waiting:
        return f"{work.label} has been waiting for its turn for {time}. Take it out of the queue?"
    lost = work.keeps or "Its progress is lost; no partial files will be left."
    return f"{work.label} has been running for {time}. Stop it? {lost}"


def ask_to_replace(node: DOMNode, name: str, go_on: Callable[[], None]) -> None:
    """Call `go_on`, which begins other work of this name; ask before when what runs would lose something."""
    work = workspace_of(node).works.get(name)
    if work is None or not work.pending or work.only_looks:
        go_on()
        return
    node.app.push_screen(CancelQuestion(work), lambda yes: go_on() if yes else None)


def cancel_work(node: DOMNode, name: str) -> None:
    """Cancel the running work of this name, as a user who pressed a key or a button means it.

    Nothing happens in the first second. Work older than ten seconds is cancelled only after a question, unless
    ending it loses nothing.
    """
    workspace = workspace_of(node)
    work = workspace.works.get(name)
    if work is None or not work.pending or isinstance(node.app.screen, CancelQuestion):
        return
    if work.seconds < DEAF_SECONDS:
        return
    if work.seconds >= ASK_AFTER_SECONDS and not work.only_looks:

        def answer(yes: bool | None) -> None:
            if yes and workspace.works.get(name) is work:
                workspace.stop_work(name)

        node.app.push_screen(CancelQuestion(work), answer)
    else:
        workspace.stop_work(name)
