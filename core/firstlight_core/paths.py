"""Every folder that Firstlight uses; the only user of platformdirs.

`FIRSTLIGHT_HOME` moves all state into one folder with `config data cache state` below it.
"""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePath

import platformdirs

from firstlight_core.errors import UsageError
from firstlight_core.text import one_line

SETTINGS_FILE = "settings.toml"
OUTPUT_VARIABLE = "FIRSTLIGHT_OUTPUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The folders of one user; nothing is created until something is written."""

    config: Path
    data: Path
    cache: Path
    state: Path
    output: Path | None = None
    """The folder of runs that the user chose, by `FIRSTLIGHT_OUTPUT` or in the settings."""

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.config / SETTINGS_FILE

    @property
    def runs(self) -> Path:
        """One folder a run: ledger, run.toml, logs, report."""
        return self.output or self.data / "runs"

    @property
    def models(self) -> Path:
        """Published artifacts: `custom/<name>/` below it, the layout that Foundry Local scans."""
        return self.data / "models"

    @property
    def logs(self) -> Path:
        """Folder of the log files of child processes."""
        return self.state / "logs"

    @property
    def work(self) -> Path:
        """Private folders of running jobs."""
        return self.cache / "work"

    @property
    def tuning(self) -> Path:
        """Builds, drifts and measurements of `firstlight tune`, which a later one takes over."""
        return self.cache / "tuning"

    @property
    def foundry(self) -> Path:
        """The private Foundry Local application folder (index, cache, logs)."""
        return self.data / "foundry"

    @property
    def reference(self) -> Path:
        """Reference logits of source models, keyed by fingerprint and prompts."""
        return self.cache / "reference"

    @property
    def sample(self) -> Path:
        """The sample model that ships with Firstlight."""
        return Path(__file__).parent / "sample" / "model"

    @property
    def sample_prompts(self) -> Path:
        """The sample model's held-out questions, as quality prompts (JSON lines)."""
        return Path(__file__).parent / "sample" / "prompts.jsonl"

    def model_name(self, folder: str | Path) -> str:
        """Return how a model folder is called in names derived from it; the sample's own folder says only `model`."""
        return "sample" if Path(folder) == self.sample else Path(folder).name

    def named(self) -> dict[str, str]:
        """Return the document of `firstlight paths`."""
        names = (
            "sample",
            "config",
            "settings",
            "data",
            "cache",
            "state",
            "runs",
            "models",
            "logs",
            "foundry",
        )
        return {name: str(getattr(self, name)) for name in names}


def expanded(text: str | Path) -> Path:
    """Return a path as a shell reads it: `~` is the home folder; that of a user who does not exist stays as it is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def find_paths(environ: Mapping[str, str] = os.environ) -> Paths:
    """Return the folders for this user, or below `FIRSTLIGHT_HOME` when that is set."""
    if home := environ.get("FIRSTLIGHT_HOME"):
        root = expanded(home).absolute()
        paths = Paths(
            config=root / "config", data=root / "data", cache=root / "cache", state=root / "state"
        )
    else:
        folders = platformdirs.PlatformDirs("firstlight", appauthor=False)
        paths = Paths(
            config=Path(folders.user_config_dir),
            data=Path(folders.user_data_dir),
            cache=Path(folders.user_cache_dir),
            state=Path(folders.user_state_dir),
        )
    output = environ.get(OUTPUT_VARIABLE) or _output_setting(paths.settings)
    # A wrong value is said by `settings.load_settings`; here it counts as absent.
    if output and "\0" not in output and (folder := expanded(output)).is_absolute():
        return replace(paths, output=folder)
    return paths


def _output_setting(file: Path) -> str:
    """Return the setting `output`; empty when it is absent or the file cannot be read."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return _read_output(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read_output(file: Path, changed: int, size: int) -> str:
    """Read it once for each state of the file."""
    import tomllib

    try:
        output = tomllib.loads(file.read_text("utf-8-sig")).get("output")
    except (OSError, ValueError, RecursionError):
        return ""
    return output if isinstance(output, str) else ""


def absolute(path: str | Path) -> Path:
    """Return the path without `~`, `.` and `..`, links left as they are.

    Raises:
        UsageError: it is empty or holds a NUL.
    """
    text = str(path)
    if not text.strip() or "\0" in text:
        raise UsageError("That is no folder name.", hint="Name a folder.")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(
            f"{one_line(text)} names the home folder of a user who does not exist.",
            hint="Write the whole path.",
        ) from error


RUN_FILE = "run.toml"

_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE
)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
NAME_LIMIT = 255
WINDOWS_PATH_LIMIT = 260
"""Characters of a path, its end included, unless long paths are switched on."""
WORK_DEPTH = 130
"""Characters that Olive's cache and the names in it add to the path of an output while it is made.

Measured with Olive 0.13: 93 for INT4, 112 for FP16.
"""


def name_problem(name: str) -> str | None:
    """Return why a file or folder name cannot be used on every system, as the end of a sentence; None when it can."""
    if (found := _FORBIDDEN.search(name)) is not None:
        sign = found[0] if found[0].isprintable() else "a control character"
        return f"holds {sign}, which Windows does not allow in a name"
    if name.endswith((".", " ")):
        return f"ends with a {'dot' if name.endswith('.') else 'space'}, which Windows takes away"
    if _DEVICES.fullmatch(name.split(".")[0].rstrip()):
        return "is the name of a device on Windows"
    if len(name) > NAME_LIMIT or len(name.encode("utf-8", "surrogateescape")) > NAME_LIMIT:
        return f"is longer than {NAME_LIMIT} characters"
    return None


def path_problem(
    path: PurePath, *, platform: str = sys.platform, depth: int = 0, long_paths: bool | None = None
) -> str | None:
    """Return why this system cannot hold an absolute path, as the end of a sentence; None when its names are valid.

    `depth` is the number of characters that will stand below it. Only Windows has such rules.
    """
    if platform != "win32":
        return None
    for part in path.parts[1:] if path.anchor else path.parts:
        if (problem := name_problem(part)) is not None:
            return f"{one_line(part, 60)} {problem}" if len(path.parts) > 1 else problem
    if len(str(path)) + depth >= WINDOWS_PATH_LIMIT and not (
        long_paths_enabled() if long_paths is None else long_paths
    ):
        return f"has {len(str(path))} characters, and the files below it would pass Windows' limit of 260"
    return None


def long_paths_enabled() -> bool:
    """Return whether Windows lets programs use paths of more than 260 characters."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(
                winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem"
            ) as key:
                return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
        except OSError:
            return False
    return True


def same_place(left: Path, right: Path) -> bool:
    """Return whether two paths are one place; macOS and Windows ignore the case of names, so the disk decides."""
    try:
        return left == right or left.samefile(right)
    except OSError:
        return False
