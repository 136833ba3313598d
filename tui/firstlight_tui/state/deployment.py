"""The choice for a deployment, the deployment, and the target that would be served."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight_core.deploy.targets import PUBLISHED
from firstlight_core.documents.deploy import Deployed
from firstlight_core.documents.foundry import CommandDocument
from firstlight_core.session import Session
from firstlight_core.shells import as_typed_here, program_here

if TYPE_CHECKING:
    from firstlight_core.exports.vllm_command import Capacity

PURPOSES: Mapping[str, str] = {
    "foundry": "this laptop",
    "folder": "older Foundry CLI",
    "bundle": "my own code",
    "ollama": "Ollama",
    "vllm": "GPU server",
}
"""Where a person wants to use the model, by the target that leads there; a target without an entry has its name."""
SHELL_WORDS = ("firstlight", "python", "cd", "sh", "bash")
"""First words of commands that need no further program."""


@dataclass(frozen=True, slots=True)
class NextCommands:
    """The commands of a deployment: the one to type next, the further ones, and those whose program is not here."""

    first: CommandDocument | None
    further: tuple[CommandDocument, ...]
    absent: tuple[CommandDocument, ...]

    @property
    def absent_programs(self) -> tuple[str, ...]:
        """The programs that are not here, each once."""
        return tuple(dict.fromkeys(program_of(row["command"]) for row in self.absent))


def program_of(command: str) -> str:
    """Return the program that a command starts: its first word that sets no variable."""
    words = (word for word in command.split() if "=" not in word)
    return next(words, "").strip("\"'")


def typed_here(row: CommandDocument) -> CommandDocument:
    """Return a command of a deployment as it starts from where the user stands."""
    return {**row, "command": as_typed_here(row["command"])}


def next_commands(
    rows: Iterable[CommandDocument], which: Callable[[str], str | None] = shutil.which
) -> NextCommands:
    """Sort the commands of a deployment by whether they can be typed here."""
    own = program_of(program_here())
    rows = [typed_here(row) for row in rows]
    absent = tuple(
        row
        for row in rows
        if (program := program_of(row["command"])) not in (*SHELL_WORDS, own)
        and which(program) is None
    )
    here = [row for row in rows if row not in absent]
    return NextCommands(here[0] if here else None, tuple(here[1:]), absent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Name, target and cache of a deployment."""

    name: str
    target: str
    cache: str = "private"

    @property
    def cached(self) -> bool:
        """True if the target stands in a cache, under a name that only one deployment can have."""
        return self.target in PUBLISHED

    def replaces(self, targets: Mapping[str, str]) -> bool:
        """Return whether a deployment of this name would have to give way; `targets` is lower-case name → target."""
        return self.cached and self.name.lower() in targets

    def is_deployed(self, session: Session) -> bool:
        """Return whether this is what is deployed."""
        deployed = session.deployment
        if deployed is None or deployed.get("name") != self.name:
            return False
        if deployed.get("target") not in (None, self.target):
            return False
        return not self.cached or deployed.get("cache") in (None, self.cache)


@dataclass(frozen=True, slots=True)
class Publication:
    """A choice and what its questions were answered with."""

    choice: Choice
    replace: bool = False
    """Whether a deployment of the same name gives way."""
    force: bool = False
    """Whether an artifact that was published by force is deployed all the same."""
    capacity: "Capacity | None" = None
    """Size of a vLLM server; None for other targets."""


@dataclass(frozen=True, slots=True)
class Undone:
    """The result of an undo: the deployment of this name is gone."""

    name: str


def suggested_choice(session: Session) -> Choice:
    """Return the choice as deployed, else with the name of the template or of the artifact."""
    from firstlight_core.artifact.inference_model import default_name

    if (deployed := session.deployment) is not None:
        cache = deployed["cache"] if deployed["kind"] != "export" else "private"
        return Choice(name=deployed["name"], target=deployed["target"], cache=cache)
    name = session.template["inference_model"].get("Name") if session.template else ""
    if not name and session.artifact:
        name = default_name(Path(session.artifact))
    return Choice(name=name or "", target="foundry", cache="private")


def _in_foundry(session: Session) -> Deployed | None:
    """Return the deployment that Foundry Local serves by its name; None for an export, or when nothing is deployed."""
    deployed = session.deployment
    return deployed if deployed is not None and deployed["kind"] != "export" else None


def serve_target(session: Session) -> str:
    """Return the target to serve: the deployment's name, or the artifact folder when an export or nothing is deployed."""
    deployed = _in_foundry(session)
    return deployed["name"] if deployed is not None else str(session.artifact)


def served_id(session: Session) -> str:
    """Return the id by which a client names what would be served."""
    from firstlight_core.foundry.service import folder_id

    deployed = _in_foundry(session)
    return deployed["id"] if deployed is not None else folder_id(Path(session.artifact or ""))
