"""No call of one operating system stands outside the modules that are there for it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SEAMS = {
    # Processes, files, locks and counters: rule 18 of the house.
    "core/firstlight_core/process/tree.py",
    "core/firstlight_core/process/limits.py",
    "core/firstlight_core/process/mapped_pages.py",
    "core/firstlight_core/process/priority.py",
    "core/firstlight_core/process/exit_codes.py",
    "core/firstlight_core/files.py",
    "core/firstlight_core/paths.py",
    "core/firstlight_core/locks.py",
    "core/firstlight_core/counters.py",
    "core/firstlight_core/cgroups.py",
    "core/firstlight_core/page_cache.py",
    "core/firstlight_core/sensors.py",
    "core/firstlight_core/monitor.py",
    "core/firstlight_core/artifact/atomic_rename.py",
    # What a machine is.
    "core/firstlight_core/environment/devices.py",
    "core/firstlight_core/environment/machine.py",
    # The terminal and its signals.
    "tui/firstlight_tui/start.py",
    "tui/firstlight_tui/terminal/app.py",
    "tui/firstlight_tui/terminal/driver.py",
}
EXCEPTIONS = {
    # The memory killer's counter is read where a child has died.
    ("core/firstlight_core/process/child.py", "/proc/vmstat"),
    # Folders of the system that are no models, on whatever system.
    ("core/firstlight_core/model/folder.py", "/proc"),
    ("core/firstlight_core/model/folder.py", "/sys"),
    ("core/firstlight_core/model/folder.py", "/dev"),
    ("core/firstlight_core/model/folder.py", "/dev/shm"),
    # A path within a Linux container.
    ("core/firstlight_core/exports/vllm_manifests.py", "/dev/shm"),
}
MODULES = {
    *("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "crypt", "spwd"),
    *("msvcrt", "winreg", "_winapi"),
}
NAMES = {
    "os": {
        *(
            "fork",
            "forkpty",
            "setsid",
            "setpgid",
            "getpgid",
            "getpgrp",
            "killpg",
            "wait",
            "waitpid",
            "wait4",
        ),
        *(
            "geteuid",
            "getuid",
            "getgid",
            "getegid",
            "setuid",
            "getgroups",
            "chown",
            "lchown",
            "chroot",
        ),
        *(
            "mkfifo",
            "mknod",
            "nice",
            "setpriority",
            "getpriority",
            "sched_getaffinity",
            "sched_setaffinity",
        ),
        *(
            "pread",
            "pwrite",
            "posix_fadvise",
            "posix_fallocate",
            "statvfs",
            "uname",
            "getloadavg",
            "ttyname",
        ),
        *(
            "O_DIRECTORY",
            "O_NOFOLLOW",
            "O_NONBLOCK",
            "O_CLOEXEC",
            "O_BINARY",
            "pidfd_open",
            "startfile",
        ),
        *("set_blocking", "openpty", "confstr", "sysconf", "ctermid"),
    },
    "signal": {
        *(
            "SIGKILL",
            "SIGHUP",
            "SIGQUIT",
            "SIGALRM",
            "SIGUSR1",
            "SIGUSR2",
            "SIGCHLD",
            "SIGPIPE",
            "SIGSTOP",
        ),
        *("SIGCONT", "SIGWINCH", "SIGXCPU", "alarm", "setitimer", "pthread_sigmask", "pause"),
        *("CTRL_C_EVENT", "CTRL_BREAK_EVENT"),
    },
    "time": {"clock_gettime", "CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "CLOCK_UPTIME_RAW", "tzset"},
    "ctypes": {"CDLL", "WinDLL", "windll", "OleDLL", "cdll"},
    # Raises on a Windows whose performance counters are off.
    "psutil": {"getloadavg"},
    "socket": {"AF_UNIX", "socketpair", "fromfd"},
    "subprocess": {"STARTUPINFO", "CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW"},
}
KEYWORDS = {
    "preexec_fn",
    "start_new_session",
    "process_group",
    "pass_fds",
    "creationflags",
    "close_fds",
}
ROOTS = ("/proc", "/sys", "/dev")


def uses(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of everything in a module that one system has and another has not."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for name in names:
                    if name.name in MODULES:
                        yield node.lineno, name.name
            case ast.ImportFrom(module=str(module), names=names):
                if module in MODULES:
                    yield node.lineno, module
                for name in names:
                    if name.name in NAMES.get(module, ()):
                        yield node.lineno, f"{module}.{name.name}"
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                if name in NAMES.get(module, ()):
                    yield node.lineno, f"{module}.{name}"
            case ast.keyword(arg=str(name)) if name in KEYWORDS:
                yield node.value.lineno, name
            case ast.Constant(value=str(text)):
                if any(text == root or text.startswith(root + "/") for root in ROOTS):
                    yield node.lineno, text


def foreign(root: Path) -> list[str]:
    matches = []
    for folder in ("core", "tui", "themes"):
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if name in SEAMS or "/sample/" in name:
                continue
            matches += [
                f"{name}:{line}: {word}"
                for line, word in uses(path.read_text("utf-8"))
                if (name, word) not in EXCEPTIONS
            ]
    return matches


@pytest.mark.slow
def test_what_one_system_lacks_stands_behind_a_seam() -> None:
    assert foreign(REPOSITORY) == []


@pytest.mark.parametrize(
    "planted",
    [
        "import os\nos.killpg(1, 9)",
        "import os\nif os.fork():\n    pass",
        "from signal import SIGKILL",
        "import signal\nsignal.signal(signal.SIGALRM, None)",
        "import resource",
        "def f():\n    import fcntl",
        "import os\nroot = os.geteuid() == 0",
        "from pathlib import Path\nPath('/proc/self/status')",
        "open('/dev/null')",
        "import ctypes\nctypes.CDLL(None)",
        "import subprocess\nsubprocess.run(['x'], start_new_session=True)",
        "import winreg",
        "import psutil\nload = psutil.getloadavg()[0]",
    ],
)
def test_a_planted_one_is_found(tmp_path: Path, planted: str) -> None:
    (tmp_path / "core" / "firstlight_core").mkdir(parents=True)
    (tmp_path / "core" / "firstlight_core" / "new.py").write_text(planted)
    assert len(foreign(tmp_path)) == 1


def test_every_seam_is_there_and_needed() -> None:
    for name in SEAMS:
        assert (REPOSITORY / name).is_file(), name


def test_every_file_is_opened_without_text_mode() -> None:
    """`os.open` without O_BINARY changes line ends on Windows and stops reading at Ctrl-Z."""
    texts = []
    for path in [*(REPOSITORY / "core").rglob("*.py"), *(REPOSITORY / "tui").rglob("*.py")]:
        source = path.read_text("utf-8")
        if "os.open(" not in source:
            continue
        for function in ast.walk(ast.parse(source)):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            body = ast.get_source_segment(source, function) or ""
            for call in re.findall(r"os\.open\(([^,()]+)", body):
                # Nothing is read from the null device or a folder; `open` gives an opener the flag itself.
                harmless = (
                    call == "os.devnull" or "O_DIRECTORY" in body or function.name == "_private"
                )
                if not harmless and "BINARY" not in body:
                    texts.append(f"{path.name}: {function.name}")
    assert texts == []
