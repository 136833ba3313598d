"""The commands that import and run a model with Ollama, as far as it is installed."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from firstlight_core.documents.foundry import CommandDocument

Find = Callable[[str], str | None]


def ollama_commands(
    name: str, modelfile: Path, *, find: Find = shutil.which
) -> tuple[list[CommandDocument], list[str]]:
    """The commands for `ollama`, and what is to be said where it is not installed."""
    create = shlex.join(["ollama", "create", name, "-f", str(modelfile)])
    run = shlex.join(["ollama", "run", name])
    if find("ollama") is None:
        return [], [f"There is no ollama command here; where there is one: {create}, then {run}."]
    return [{"command": create, "does": "import it"}, {"command": run, "does": "talk to it"}], []
