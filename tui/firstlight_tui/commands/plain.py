"""`firstlight --plain`: the walk as questions, one line after the other, for screen readers and simple terminals."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from firstlight_core.deploy.targets import PUBLISHED
from firstlight_core.documents.workflow import RunDocument
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.model.sources import find_source
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.process.events import Event, Stage
from firstlight_core.settings import default_precision
from firstlight_core.shells import as_typed_here, command_line
from firstlight_core.text import bytes_text, seconds_text
from firstlight_core.workflow.plan import (
    BenchChoice,
    ChatChoice,
    DeployChoice,
    Plan,
    QualityChoice,
    TemplateChoice,
)
from firstlight_core.workflow.services import SERVICES, Services
from firstlight_core.workflow.walk import walk
from firstlight_tui.commands.output import run_verb, say
from firstlight_tui.commands.run_ import show_run

QUESTION = "Where is my order?"


@dataclass(frozen=True, slots=True)
class Prompter:
    """Asks on standard output, and reads the answers a line each."""

    answers: TextIO

    def ask(self, question: str, default: str) -> str:
        """Return an answer; an empty line is the default.

        Raises:
            UsageError: the user leaves, or nothing more can be read.
        """
        say(f"{question} [{default}]")
        line = self.answers.readline()
        if not line or line.strip() in ("q", "quit"):
            raise UsageError("Left before the start; nothing was run.", hint="firstlight --plain")
        return line.strip() or default

    def choose(self, question: str, choices: Sequence[tuple[str, str]], default: str) -> str:
        """Return the key of a choice, given by its number or its name."""
        for number, (key, words) in enumerate(choices, 1):
            say(f"  {number}. {key}: {words}")
        keys = [key for key, _ in choices]
        while True:
            answer = self.ask(question, default)
            if answer in keys:
                return answer
            if answer.isdecimal() and 1 <= int(answer) <= len(keys):
                return keys[int(answer) - 1]
            say(f"Answer with a number from 1 to {len(keys)}, or a name.")

    def confirm(self, question: str) -> bool:
        """Return whether the answer is yes, the default."""
        while (answer := self.ask(question, "yes").lower()) not in ("y", "yes", "n", "no"):
            say("Answer yes or no.")
        return answer.startswith("y")


def walk_plainly(*, services: Services = SERVICES, answers: TextIO | None = None) -> None:
    """Ask for a plan, do it, and leave with the exit code of `firstlight run`."""
    prompter = Prompter(answers or sys.stdin)

    async def work() -> RunDocument:
        plan = ask_plan(prompter, services)
        return await walk(plan, on_event=_tell(), services=services)

    def show(document: RunDocument) -> None:
        say()
        say("Summary." if document["ok"] else "Summary: a step failed.")
        show_run(document)
        again = command_line(["firstlight", "run", str(Path(document["folder"]) / "run.toml")])
        say(f"To do it again: {as_typed_here(again)}")

    run_verb("run", work, show, as_json=False)


def _tell() -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        if isinstance(event, Stage):
            say(f"{event.label}.")
            sys.stdout.flush()

    return tell


def ask_plan(prompter: Prompter, services: Services) -> Plan:
    """Ask for everything that a walk needs to know, in the order of the wizard's steps."""
    say("Firstlight, line by line. An empty line takes the answer in brackets; q leaves.")
    source, choices = _ask_model(prompter, services)
    default = default_precision()
    precision = prompter.choose("Precision: which one?", choices, default)
    name = prompter.ask(
        "Deploy: under which name? A minus sign deploys nothing.", f"{_name(source)}-{precision}"
    )
    deploy = None
    if name != "-":
        target = prompter.choose("Deploy: where?", list(PUBLISHED.items()), "foundry")
        deploy = DeployChoice(name=name, target=target)
    question = prompter.ask("Chat: what to ask it? A minus sign asks nothing.", QUESTION)
    bench = prompter.confirm("Benchmark: measure its speed?")
    quality = prompter.confirm("Quality: check it against the original?")
    if not prompter.confirm(f"Convert {_name(source)} to {precision} and do the rest now?"):
        raise UsageError("Nothing was run.")
    return Plan(
        source=source,
        precisions=(precision,),
        use=precision,
        template=TemplateChoice(),
        deploy=deploy,
        chat=ChatChoice(prompts=(question,)) if question != "-" else None,
        benchmark=BenchChoice() if bench else None,
        quality=QualityChoice(reference=source) if quality else None,
    )


def _ask_model(prompter: Prompter, services: Services) -> tuple[Path, list[tuple[str, str]]]:
    """Return the folder, and every precision with what it costs."""
    while True:
        answer = prompter.ask("Model: its folder, or the word sample?", "sample")
        try:
            source = find_source(answer)
            model = services.inspect(source)
        except FirstlightError as error:
            say(str(error))
            say(error.hint or error.way_on)
            continue
        say(f"{model['architecture']}, {model['parameters'] / 1e6:,.1f} million parameters.")
        rows = model["estimates"]
        return source, [
            (
                row.key,
                f"about {bytes_text(rows[row.key]['bytes'])}, {seconds_text(rows[row.key]['seconds'])}",
            )
            for row in PRECISIONS
            if row.key in rows and rows[row.key]["available"]
        ]


def _name(source: Path) -> str:
    """Return a folder's name as a deployment may have it; the sample's folder is called `model`."""
    name = "sample" if source.parent.name == "sample" else source.name
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "model"
