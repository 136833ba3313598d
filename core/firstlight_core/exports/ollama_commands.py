"""The commands that import and run a model with Ollama, as far as it is installed."""

import shutil
from collections.abc import Callable
from pathlib import Path

from firstlight_core.documents.foundry import CommandDocument
from firstlight_core.shells import command_line

Find = Callable[[str], str | None]


def ollama_commands(
    name: str, modelfile: Path, *, find: Find = shutil.which
) -> tuple[list[CommandDocument], list[str]]:
    """Return the commands for `ollama`, and notes when it is not installed."""
    create = command_line(["ollama", "create", name, "-f", str(modelfile)])
    run = command_line(["ollama", "run", name])
    if find("ollama") is None:
        return [], [f"There is no ollama command here; where there is one: {create}, then {run}."]
    return [{"command": create, "does": "import it"}, {"command": run, "does": "talk to it"}], []
