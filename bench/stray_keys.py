"""Stray keys: Enter, Esc, Ctrl+C, q and Ctrl+Q at random moments of every job, in the real wizard in a pseudo-terminal.

`python -m bench.stray_keys [--presses 500] [--seed 1]` walks the sample to each job, begins it, and presses. No press ever
says yes to a question. It fails when work that is older than ten seconds is stopped, when the wizard leaves while
something would be lost, when it crashes, or when a result that was finished is not in the ledger.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from bench.terminal import Terminal, words_of
from bench.watched_wizard import IDS, Ended, Left, State

ENTER, ESCAPE, NEXT, BACK, QUIT = b"\r", b"\x1b", b"\x0e", b"\x0f", b"\x11"
F5, F8, DOWN = b"\x1b[15~", b"\x1b[19~", b"\x1b[B"
STRAY = {"Enter": ENTER, "Esc": ESCAPE, "Ctrl+C": b"\x03", "q": b"q", "Ctrl+Q": QUIT}
WEIGHTS = (9, 7, 1, 1, 2)
LEDGER_STEPS = {
    "convert": "convert",
    "deploy": "deploy",
    "benchmark": "benchmark",
    "quality": "quality",
}
"""Work whose result the ledger must hold, and the step of its line."""


# Outside ----------------------------------------------------------------------------------------------


class RememberingTerminal(Terminal):
    """Keeps the end of what was drawn: the last words of a wizard that crashed."""

    last = b""

    def _drawn(self) -> bytes:
        drawn = super()._drawn()
        self.last = (self.last + drawn)[-20_000:]
        return drawn


class Presser:
    """Drives one wizard after another, and judges what became of their work."""

    def __init__(self, home: Path, *, seed: int) -> None:
        self.home = home
        self.log = home / "watched.jsonl"
        self.dice = random.Random(seed)
        self.presses: Counter[str] = Counter()
        self.questions = self.starts = self.young = 0
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self.recent: list[str] = []
        self._read = 0
        self.state: State | None = None
        self.open(demo=True)

    def open(self, *, demo: bool) -> None:
        """Start a wizard, and wait until it shows a step."""
        self.starts += 1
        self.state = None
        self.log.touch()
        arguments = ["-m", "bench.watched_wizard", str(self.log)]
        arguments += ["--demo"] if demo else []
        self.terminal = RememberingTerminal(self.home, arguments, command=[sys.executable])
        self.until(lambda: self.state is not None, 60)
        self.rest(2.0)
        if not demo:
            self.until(lambda: self.top() == "ContinueScreen", 5)
            if self.top() == "ContinueScreen":
                self.press(ENTER)
                self.rest(1.5)
            else:
                # That run was finished: begin another one.
                self.terminal.close()
                self.open(demo=True)

    def news(self) -> Iterator[State | Ended | Left]:
        """Yield what was written since the last time."""
        with self.log.open() as lines:
            lines.seek(self._read)
            while (line := lines.readline()).endswith("\n"):
                self._read = lines.tell()
                yield json.loads(line)

    def look(self) -> None:
        """Take in the news, and judge them."""
        for news in self.news():
            if "ended" in news:
                self._judge(cast(Ended, news))
            elif "left" in news:
                if news["left"]:  # type: ignore[typeddict-item]
                    self.fault(f"the wizard left while {news['left']} ran")  # type: ignore[typeddict-item]
            else:
                state = news
                questions = ("CancelQuestion", "ConfirmScreen")
                before, self.state = self.top(), state
                self.questions += self.top() in questions and before not in questions

    def _judge(self, work: Ended) -> None:
        if work["status"] == "done":
            self.done[work["ended"]] += 1
        elif work["status"] == "failed":
            self.fault(f"{work['ended']} failed after {work['seconds']:.0f} s")
        elif not work["only_looks"] and work["seconds"] >= 10.0:
            self.fault(f"{work['ended']} was stopped after {work['seconds']:.0f} s without a yes")
        elif not work["only_looks"]:
            self.young += 1

    def fault(self, words: str) -> None:
        """Keep a fault with the keys before it."""
        self.faults.append(f"{words}; the last keys: {' '.join(self.recent[-8:])}")
        sys.stdout.write(f"FAULT {self.faults[-1]}\n")
        sys.stdout.flush()

    def top(self) -> str:
        """Name of the uppermost screen."""
        return self.state["screens"][-1] if self.state and self.state["screens"] else ""

    def rest(self, seconds: float) -> None:
        """Let time pass and take in what happens; a wizard that has left is started again.

        Raises:
            RuntimeError: it was left.
        """
        try:
            self.terminal.rest(seconds)
        finally:
            self.look()

    def until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Wait at most so long; returns whether it was reached."""
        end = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > end:
                return False
            self.rest(0.2)
        return True

    def press(self, keys: bytes) -> None:
        """Press keys that the walk needs."""
        self.terminal.press(keys)
        self.rest(0.3)

    def stray(self) -> None:
        """Press one random key after a random moment."""
        self.rest(self.dice.uniform(0.02, 1.0))
        (name,) = self.dice.choices(list(STRAY), WEIGHTS)
        self.presses[name] += 1
        self.recent.append(name)
        self.terminal.press(STRAY[name])
        self.rest(0.05)

    def go_to(self, step: str) -> bool:
        """Walk to a step; returns whether it is open."""
        for _ in range(40):
            if self.state is None or len(self.state["screens"]) > 2 or self.top() in _PAGES:
                self.press(ENTER if self.top() == "ContinueScreen" else ESCAPE)
            elif self.state["step"] == step:
                return True
            else:
                forward = IDS.index(self.state["step"]) < IDS.index(step)
                self.press(NEXT if forward else BACK)
            self.rest(0.4)
        return False

    def begin(self, job: str) -> None:
        """Begin the job of a step."""
        if job in ("environment", "model", "summary"):
            self.go_to(job)
            return
        if job != "convert" and not (self.state and self.state["converted"]):
            self.begin("convert")
            self.until(lambda: not self.state or not self.state["running"], 400)
            self.rest(1.0)
        if job == "convert" and self.done["convert"] and self.go_to("precision"):
            self.press(DOWN + b" ")
        before = IDS[IDS.index(job) - 1]
        # By the way of another step the focus is on the button.
        if not (self.go_to(before) and self.go_to(job)):
            return
        keys = {"template": F5, "benchmark": b"r", "quality": F5, "chat": b"Name three fruits\r"}
        deployed = bool(self.state and self.state["deployed"])
        self.press(keys.get(job, F8 if job == "deploy" and deployed else ENTER))
        self.until(lambda: bool(self.state and self.state["running"]), 3)

    def disturb(self, job: str, presses: int) -> None:
        """Press so many stray keys while the job runs; begin it again whenever it is over."""
        left = presses
        while left > 0:
            try:
                if not (self.state and self.state["running"]):
                    self.begin(job)
                if self.dice.random() < 0.5:
                    # Old enough that something would be lost.
                    self.until(
                        lambda: (
                            not self.state
                            or self.state["oldest"] >= 11
                            or not self.state["running"]
                        ),
                        14,
                    )
                for _ in range(min(left, self.dice.randint(4, 14))):
                    left -= 1
                    self.stray()
            except RuntimeError:
                self.left()

    def left(self) -> None:
        """The wizard has left: was it allowed to? Start it again."""
        self.look()
        _, status = os.waitpid(self.terminal.pid, 0)
        if (code := os.waitstatus_to_exitcode(status)) != 0:
            self.fault(f"the wizard ended with {code}")
            sys.stdout.write(words_of(self.terminal.last).decode(errors="replace") + "\n")
        self.open(demo=False)

    def missing_lines(self) -> list[str]:
        """Return the results that were finished and are in no ledger."""
        written: Counter[str] = Counter()
        for ledger in self.home.glob("data/runs/*/ledger.jsonl"):
            for line in ledger.read_text().splitlines():
                entry = json.loads(line)
                written[entry["step"]] += entry["status"] in ("done", "undone")
        return [
            f"{self.done[work]} × {work} was done, the ledgers hold {written[step]}"
            for work, step in LEDGER_STEPS.items()
            if written[step] < self.done[work]
        ]


_PAGES = ("ContinueScreen", "CancelQuestion", "ConfirmScreen", "HelpScreen", "JobListScreen")
JOBS = ("environment", "model", "convert", "template", "deploy", "chat", "benchmark", "quality")


def main(presses: int, seed: int, jobs: tuple[str, ...] = JOBS) -> int:
    """Press, print what came of it, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="stray-keys-") as folder:
        presser = Presser(Path(folder), seed=seed)
        try:
            for number, job in enumerate(jobs):
                share = presses * (number + 1) // len(jobs) - presses * number // len(jobs)
                begun = time.monotonic()
                presser.disturb(job, share)
                seconds = time.monotonic() - begun
                sys.stdout.write(
                    f"{job}: {share} keys in {seconds:.0f} s, {len(presser.faults)} faults\n"
                )
                sys.stdout.flush()
            presser.until(lambda: not presser.state or not presser.state["running"], 300)
        finally:
            presser.terminal.close()
        for words in presser.missing_lines():
            presser.fault(words)
    keys = ", ".join(f"{name} {count}" for name, count in presser.presses.items())
    done = ", ".join(f"{name} {count}" for name, count in presser.done.items())
    sys.stdout.write(
        f"{sum(presser.presses.values())} keys ({keys}), seed {seed}: {presser.questions} questions, "
        f"{presser.young} jobs stopped before ten seconds, {presser.starts} starts\ndone: {done}\n"
    )
    return 1 if presser.faults else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", nargs="*", default=JOBS)
    options = parser.parse_args()
    sys.exit(main(options.presses, options.seed, tuple(options.jobs)))
