"""Arguments only: a bare `firstlight` opens the wizard, a verb is the headless twin."""

import sys


def main() -> int:
    """Entry point of the console script; imports nothing heavier than what was asked for."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from firstlight_core import __version__

        sys.stdout.write(f"firstlight {__version__}\n")
        return 0
    if arguments in ([], ["--demo"]):
        return open_wizard(demo=bool(arguments))
    from firstlight_tui.commands import build_cli

    build_cli(arguments[0])(prog_name="firstlight")
    return 0


def open_wizard(*, demo: bool = False) -> int:
    """Open the wizard on this terminal; its return code is ours."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.stderr.write(
            "The wizard needs a terminal. Without one, use the verbs: `firstlight --help`, "
            "or `firstlight run run.toml --yes` for a whole walk.\n"
        )
        return 2
    from firstlight_tui.start import start_wizard

    return start_wizard(demo=demo)


if __name__ == "__main__":
    sys.exit(main())
