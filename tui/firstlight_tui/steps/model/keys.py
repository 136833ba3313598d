"""The keys and the help text of the model step."""

from textual.binding import Binding, BindingType

HELP = (
    "Enter on a row inspects it. Below, type words to search, a folder (Tab completes; paste or drag one in), or "
    "a hub id such as owner/name: it is downloaded only after your yes. `w` says why ONNX, and when something "
    "else is better."
)
KEYS: list[BindingType] = [
    Binding(
        "slash",
        "search",
        "Search",
        id="model.search",
        tooltip="A path from the table; else words, folder or hub id",
    ),
    Binding("s", "sort", "Sort", id="model.sort", tooltip="Next order; or click a header"),
    Binding("f", "filter", "From", id="model.filter", tooltip="All, sample, used before, cache"),
    Binding("w", "why", "Why ONNX", id="model.why", tooltip="And when something else fits"),
    Binding(
        "ctrl+g",
        "app.connect",
        "Connect",
        id="model.connect",
        tooltip="Use a running server instead",
    ),
    Binding(
        "f10,R",
        "app.runs",
        "Runs",
        id="model.runs",
        show=False,
        tooltip="Earlier runs: open, compare, report, delete",
    ),
]
