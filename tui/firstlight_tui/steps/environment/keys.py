"""The keys and the help text of the environment step."""

from textual.binding import Binding, BindingType

HELP = (
    "Every row is probed in its own process with a time limit. Nothing is changed on your machine unless you "
    "say so: `i` shows the command that installs what is missing, and runs it after a yes."
)
KEYS: list[BindingType] = [
    Binding("r", "recheck", "Check all", id="environment.recheck", tooltip="Probe everything"),
    Binding("e", "recheck_one", "This row", id="environment.one", tooltip="Probe this row"),
    Binding("a,f4", "all_rows", "All", id="environment.all", tooltip="All rows, or only problems"),
    Binding("c", "copy_fix", "Copy fix", id="environment.fix", tooltip="Copy this row's fix"),
    Binding(
        "y",
        "copy_report",
        "Report",
        id="environment.report",
        tooltip="Copy all rows and keep them in a file, without name, tokens and paths",
    ),
    Binding(
        "w",
        "course",
        "Course",
        id="environment.course",
        tooltip="The course's install commands, with what is already satisfied",
    ),
    Binding(
        "i",
        "install",
        "Install",
        id="environment.install",
        tooltip="Show the command that installs what is missing; again: stop it",
    ),
    Binding(
        "f10,R",
        "app.runs",
        "Runs",
        id="environment.runs",
        show=False,
        tooltip="Earlier runs: open, compare, report, delete",
    ),
]
