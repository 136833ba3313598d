"""The keys that work on every step."""

from textual.binding import Binding, BindingType

APP_KEYS: list[BindingType] = [
    # With priority it works over a dialog too.
    Binding(
        "ctrl+q",
        "quit",
        "Quit",
        id="app.quit",
        tooltip="Leave; asks while a job runs",
        priority=True,
    ),
    Binding(
        "f1,question_mark",
        "help",
        "Help",
        id="app.help",
        tooltip="Keys, terms on this screen, and what the course says",
    ),
    Binding(
        "ctrl+g,f9",
        "connect",
        "Connect",
        id="app.connect",
        show=False,
        tooltip="Talk to, measure and check a running server instead",
    ),
    Binding(
        "f12",
        "monitor",
        "Monitor",
        id="app.monitor",
        show=False,
        tooltip="More or less of the monitor: off, a line, a panel, the whole page",
    ),
    Binding(
        "ctrl+p",
        "command_palette",
        "Palette",
        id="app.palette",
        priority=True,
        show=False,
        tooltip="Find any act, step, model, theme, setting or term",
    ),
    Binding(
        "f3",
        "jobs",
        "Jobs",
        id="app.jobs",
        show=False,
        tooltip="What runs and what waits: stop it, change the order",
    ),
    Binding(
        "ctrl+l",
        "jump",
        "Jump",
        id="app.jump",
        show=False,
        tooltip="A letter for everything that can have the focus",
    ),
    Binding("f2", "themes", "Theme", id="app.theme", show=False, tooltip="Choose a theme"),
    Binding(
        "f11,comma",
        "settings",
        "Settings",
        id="app.settings",
        show=False,
        tooltip="Theme, keys, folders, precision and monitor to begin with",
    ),
]
