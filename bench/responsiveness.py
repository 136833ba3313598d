"""From a key to the redraw that shows it, in a real pseudo-terminal, while the wizard does each of its heavy things.

The keys are F1 and Q in turn (a page over the whole step opens and closes: every cell of the terminal is repainted),
in the chat a letter in the field as well; and, the most that one key asks for, the dialog of settings over an answer
that is being made. SPEC 4: p99 at most 50 ms, worst at most 200 ms; where a whole step is made, p99 at most 100 ms.
"""

import itertools
import random
import string
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.measuring import Figure
from bench.random_model import bench_folder, big_source, int4_of
from bench.terminal import Terminal, words_of

Samples = Generator[float, None, None]
KEYS, FEW, FIRST = 300, 100, 40
F1, SETTINGS, PREFERENCES, CLOSE = b"\x1bOP", b"\x1b[15~", b"\x1b[23~", b"q"
ENTER, NEXT, BACK, ESCAPE, WIPE = b"\r", b"\x0e", b"\x0f", b"\x1b", b"\x15"
AGAIN = b"r"
LETTERS = itertools.cycle(chr(number).encode() for number in range(0x100, 0x180))
"""Letters that nobody else writes here, none of them twice in one question."""
OPENED, CLOSED = b"Esc closes", b"Summary"
"""Words that only the page of help draws, and one of the step rail that it covers."""
FIRST_STEP, MODEL_STEP, SAMPLING = (
    b"Is this machine ready",
    b"Choose a model",
    b"repetition penalty",
)
CHECKED = (b"Ready", b"Blocked")
CHANGES = b"Enter changes"
PROBING, CONVERTING = b"Looking", b"esc Stop"
LOADING, LOADED = b"loading in its own process", b"loaded in"
READING, ANSWERING = b"reading the prompt", b"Esc stops"
"""What the screen says; tests/tui/test_responsiveness.py holds all of these against the steps themselves."""
TARGET, STEP_TARGET = "p99 <= 0.05 s, worst <= 0.2 s", "p99 <= 0.1 s, worst <= 0.2 s"
"""Of a key, and of one that makes a whole step, or a dialog of a dozen fields, anew."""
TRIES = 60
LINE = 30
"""Letters that a field takes before it is wiped."""
LOOK_SECONDS = 0.3
"""Longer than Esc is held back, and than an answer needs to paint itself; about what an eye needs for a new screen."""
SETTLE_SECONDS = 1.0
"""For what was asked of the wizard to begin."""
PROMPT_WORDS = 1_500
"""Some 1,600 tokens: four to six seconds of prefill on two cores."""


def measure() -> list[Figure]:
    """Every situation, 300 keys each."""
    figures = []
    with bench_folder() as folder, tempfile.TemporaryDirectory() as home:
        artifact = int4_of(big_source(folder), folder)
        for name, situation in (
            ("at rest", at_rest(home)),
            ("typing at rest", typing(home)),
            ("walking from step to step", walking(home)),
            ("probing the machine", probing(home)),
            ("converting the 0.5 B shape", converting(home, big_source(folder))),
            ("as the first screen appears", at_once(home, artifact)),
            ("loading the 0.5 B shape", loading(home, artifact)),
            ("prefill of the 0.5 B shape", prefill(home, artifact)),
            ("generating with the 0.5 B shape", generating(home, artifact)),
            ("the settings at rest", preferences(home)),
            ("the settings over an answer", settings(home, artifact)),
        ):
            count = FEW if "settings" in name else FIRST if "appears" in name else KEYS
            target = STEP_TARGET if name.startswith(("walking", "the settings")) else TARGET
            samples = tuple(seconds for seconds, _ in zip(situation, range(count), strict=False))
            situation.close()
            figures.append(
                Figure(name=f"key to redraw, {name}", unit="s", samples=samples, target=target)
            )
    return figures


def at_rest(home: str) -> Samples:
    """Nothing runs."""
    with opened(home) as terminal:
        terminal.wait_for(*CHECKED)
        while True:
            yield from dialog(terminal)[0]


def typing(home: str) -> Samples:
    """Letters in the field of the model step, beside a table and a card."""
    with opened(home) as terminal:
        terminal.wait_for(*CHECKED)
        terminal.redraw(NEXT, MODEL_STEP)
        while True:
            terminal.rest(SETTLE_SECONDS)
            terminal.press(WIPE + b"/")
            terminal.rest(SETTLE_SECONDS)
            for _ in range(LINE):
                yield letter(terminal)


def walking(home: str) -> Samples:
    """To the model step and back: another screen is made and laid out for each."""
    with opened(home) as terminal:
        terminal.wait_for(*CHECKED)
        while True:
            yield terminal.redraw(NEXT, MODEL_STEP)
            yield terminal.redraw(BACK, FIRST_STEP)


def probing(home: str) -> Samples:
    """Some twenty programs and processes are asked for their versions at once."""
    with opened(home) as terminal:
        terminal.wait_for(*CHECKED)
        yield from while_busy(terminal, PROBING, again=lambda: terminal.press(AGAIN))


def converting(home: str, source: Path) -> Samples:
    """Olive quantises with every core; a new wizard for each time."""
    line = [sys.executable, "-m", "bench.responsiveness"]
    for _ in range(TRIES):
        with opened(home, source, command=line) as terminal:
            terminal.rest(SETTLE_SECONDS)
            terminal.press(ENTER)
            terminal.wait_for(CONVERTING)
            yield from while_busy(terminal, CONVERTING)


def at_once(home: str, artifact: Path) -> Samples:
    """The help, 5 to 30 ms after the first screen: nobody is so quick; a new wizard for each key."""
    while True:
        with opened(home, "chat", artifact, shows=LOADING) as terminal:
            yield terminal.redraw(F1, OPENED)


def loading(home: str, artifact: Path) -> Samples:
    """The wizard opens on its chat, somebody sees it, and the engine loads; a new wizard for each time."""
    for _ in range(TRIES):
        with opened(home, "chat", artifact, shows=LOADING) as terminal:
            terminal.rest(LOOK_SECONDS)
            yield from while_busy(terminal, LOADING, letters=True)


def prefill(home: str, artifact: Path) -> Samples:
    """The engine reads a long prompt, another one each time."""

    def ask() -> None:
        terminal.press(ESCAPE)
        terminal.rest(SETTLE_SECONDS)
        words = " ".join(random.choices(string.ascii_lowercase, k=PROMPT_WORDS))
        terminal.press(WIPE + b"/clear" + ENTER)
        terminal.rest(SETTLE_SECONDS)
        terminal.press(b"\x1b[200~" + words.encode() + b"\x1b[201~" + ENTER)
        # An answer that is still being stopped refuses the question; it is asked again then.
        with suppress(RuntimeError):
            terminal.wait_for(READING, seconds=5.0)

    with opened(home, "chat", artifact) as terminal:
        terminal.wait_for(LOADED)
        yield from while_busy(terminal, READING, again=ask, letters=True)


def generating(home: str, artifact: Path) -> Samples:
    """Answers stream into the transcript."""
    with opened(home, "chat", artifact) as terminal:
        yield from while_busy(terminal, ANSWERING, again=ask_again(terminal), letters=True)


def preferences(home: str) -> Samples:
    """The settings of the whole wizard, over a step at rest; only their opening, as `settings`."""
    with opened(home) as terminal:
        terminal.wait_for(*CHECKED)
        while True:
            yield terminal.redraw(PREFERENCES, CHANGES)
            terminal.press(ESCAPE)
            terminal.rest(LOOK_SECONDS)


def settings(home: str, artifact: Path) -> Samples:
    """Another dialog over an answer that is being made: a dozen fields, and the step behind it tinted.

    Only its opening: a lone Esc is held back for a tenth of a second, in case a longer sequence begins with it.
    """
    with opened(home, "chat", artifact) as terminal:
        ask = ask_again(terminal)
        while True:
            # An answer that goes on paints itself twenty times a second.
            if ANSWERING not in words_of(terminal.rest(LOOK_SECONDS)):
                ask()
                terminal.wait_for(ANSWERING)
            yield terminal.redraw(SETTINGS, SAMPLING)
            terminal.press(ESCAPE)


def ask_again(terminal: Terminal) -> Callable[[], None]:
    """A question that is asked, once the model is there."""

    def ask() -> None:
        terminal.press(WIPE + b"/clear" + ENTER)
        terminal.rest(SETTLE_SECONDS)
        terminal.press(b"What is int4 quantization?" + ENTER)

    terminal.wait_for(LOADED)
    return ask


@contextmanager
def opened(
    home: str, *arguments: str | Path, shows: bytes = CLOSED, command: Sequence[str] = ()
) -> Iterator[Terminal]:
    """A wizard whose first screen shows some words."""
    terminal = Terminal(home, arguments or ("--demo",), command=command)
    try:
        terminal.wait_for(shows)
        yield terminal
    finally:
        terminal.close()


def while_busy(
    terminal: Terminal,
    busy: bytes,
    *,
    again: Callable[[], None] | None = None,
    letters: bool = False,
) -> Samples:
    """Keys while the screen says that it is `busy`; then `again` makes it so, or it ends.

    Raises:
        RuntimeError: it is never busy.
    """
    idle = 0
    while True:
        seconds, screen = dialog(terminal)
        if busy in screen:
            idle = 0
            yield from seconds
            if letters:
                yield letter(terminal)
        elif again is None:
            return
        elif (idle := idle + 1) > TRIES:
            raise RuntimeError(f"the screen never says {busy!r}")
        elif idle % 3 == 1:
            again()
            terminal.rest(SETTLE_SECONDS)


def dialog(terminal: Terminal) -> tuple[list[float], bytes]:
    """Open the help and close it: the seconds of both, and the words of the screen that came back."""
    seconds = [terminal.redraw(F1, OPENED), terminal.redraw(CLOSE, CLOSED)]
    return seconds, words_of(terminal.drawn + terminal.read(0.03))


def letter(terminal: Terminal) -> float:
    """A letter in the field of the chat, one that the screen has nowhere else."""
    mark = next(LETTERS)
    return terminal.redraw(mark, mark)


def wizard(source: Path) -> None:
    """The wizard on its convert step, with a model chosen."""
    from firstlight_core.session import Session
    from firstlight_core.workflow.services import Services
    from firstlight_tui.app import WizardApp
    from firstlight_tui.start import run_wizard
    from firstlight_tui.steps.convert.screen import ConvertStep
    from firstlight_tui.terminal.idle import IdleTasks

    session = Session(source=str(source)).decide(model=Services().inspect(source))
    session = session.decide(precisions=("int4",))
    app = WizardApp(session=session, first=ConvertStep, idle=IdleTasks())
    run_wizard(app)


if __name__ == "__main__":
    wizard(Path(sys.argv[1]))
