"""Opens the wizard on this terminal and gives the terminal back whatever happens."""

import sys
from pathlib import Path

from firstlight_core.session import Session


def start_wizard(*, demo: bool = False, artifact: Path | None = None) -> int:
    """Run the wizard to its end; the result is the exit code.

    `demo` preselects the sample model; `artifact` opens the wizard on Chat with that artifact.
    """
    from firstlight_core.paths import find_paths
    from firstlight_tui.app import WizardApp
    from firstlight_tui.steps.chat import ChatStep

    session = Session()
    if demo:
        session = session.decide(source=str(find_paths().sample))
    if artifact is not None:
        session = session.decide(artifact=str(artifact))
    app = WizardApp(session=session, demo=demo, first=ChatStep if artifact is not None else None)
    result = app.run()
    if app.return_code:
        # A crash, or a signal: the exit code of the process must say so.
        return app.return_code
    sys.stdout.flush()
    return result or 0
