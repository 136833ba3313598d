"""The rows of the environment step for a bug report: on the clipboard and in a file, redacted."""

import asyncio
from typing import TYPE_CHECKING

from firstlight_core.errors import StateProblem
from firstlight_core.files import write_whole
from firstlight_core.text import shown_path

if TYPE_CHECKING:
    from firstlight_tui.app import WizardApp

REPORT_NAME = "environment-report.txt"


async def copy_report(wizard: "WizardApp", text: str) -> None:
    """Copy the redacted text, keep it in the state folder, and say where."""
    wizard.copy_to_clipboard(text)
    path = wizard.paths.state / REPORT_NAME
    try:
        await asyncio.to_thread(write_whole, path, text)
    except StateProblem as error:
        wizard.notify(f"Copied. {error} {error.hint}", severity="warning", markup=False)
    else:
        words = f"Copied, without your name, tokens and paths. Also in {shown_path(path)}"
        wizard.notify(words, markup=False)
