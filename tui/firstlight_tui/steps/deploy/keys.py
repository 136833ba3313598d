"""Keys, buttons and help of the deploy step."""

from textual.binding import Binding, BindingType

HELP = (
    "This step is optional: chat, benchmark and quality work on the artifact itself. Undo removes registration "
    "and files. The service listens on this machine only, and ends with the wizard unless it is asked to "
    "outlive it; then F7, or `firstlight serve --stop`, ends it. Converted, but not found? d names every reason."
)
BUTTONS = (
    ("skip", "Skip"),
    ("serve", "Serve"),
    ("copy", "Copy"),
    ("doctor", "Doctor"),
    ("cli", "CLI"),
    ("undo", "Undo"),
)
"""Id without `deploy-` and label, in their order beside the primary button."""


def _key(key: str, action: str, label: str, name: str, tooltip: str, *, show: bool) -> Binding:
    return Binding(key, action, label, id=f"deploy.{name}", show=show, tooltip=tooltip)


KEYS: list[BindingType] = [
    _key("f7", "serve", "Serve", "serve", "Start or stop the local service", show=True),
    _key(
        "ctrl+r",
        "restart",
        "Restart",
        "restart",
        "Stop the local service and start it again, at the same port",
        show=False,
    ),
    _key("c", "copy_next", "Copy next", "copy-next", "Copy the command to type next", show=False),
    _key("f6", "copy", "Copy", "copy", "Copy a command or a snippet", show=False),
    _key(
        "d",
        "doctor",
        "Doctor",
        "doctor",
        "What Foundry Local finds in the cache, and why not the rest",
        show=True,
    ),
    _key(
        "f4",
        "cli",
        "CLI",
        "cli",
        "The commands of the foundry command, copied or run here",
        show=True,
    ),
    _key(
        "f5",
        "put_back",
        "Put back",
        "put-back",
        "Put the foundry command's cache back to where it was",
        show=False,
    ),
    _key("f8", "undo", "Undo", "undo", "Remove the deployment: registration and files", show=False),
    _key(
        "ctrl+g",
        "app.connect",
        "Connect",
        "connect",
        "Use a running server instead of deploying",
        show=True,
    ),
]
