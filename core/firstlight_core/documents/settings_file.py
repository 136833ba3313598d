"""The content of `settings.toml`: what a person chose once. A flag or an environment variable wins over it."""

from typing import Literal, TypedDict

Monitor = Literal["auto", "strip", "off"]
"""How much of the machine a step shows: auto is a panel where there is room, a line where there is not."""


class SettingsFile(TypedDict, total=False):
    """`settings.toml` in the configuration folder; what is absent has its default."""

    theme: str
    """Name of a theme, shipped or of your own."""
    models: str
    """Folder whose models the Model step lists; a bare name given to a verb is looked up in it too."""
    output: str
    """Folder that gets one folder for each run: artifacts, report, run.toml."""
    precision: str
    """The precision that is marked first, and that `convert` and `tune` make when none is named."""
    monitor: Monitor
    alert_response_ms: int
    """The monitor warns when the first token takes as long; 2000 where it is absent."""
    alert_errors_percent: int
    """The monitor warns when as many answers fail; 5."""
    alert_memory_percent: int
    """The monitor warns when as much of the RAM is in use; 85."""
    alert_cpu_percent: int
    """The monitor warns when as much of the processor is in use; 80."""
    keys: dict[str, str]
    """Id of a key, such as `app.quit` → the keys that take its place, separated by commas."""
