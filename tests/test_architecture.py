"""docs/ARCHITECTURE.md names only what exists: every path, and every name behind a path."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
ROOTS = ("", "core/firstlight_core", "tui/firstlight_tui", "docs")
MENTIONS = sorted(set(re.findall(r"`([\w./]+\.(?:py|json|html|toml)(?::\w+)?|[\w./]+/)`", PAGE)))
FILES_OF_A_USER = {"config.json", "firstlight.json", "run.toml"}


def located(path: str) -> Path | None:
    """Return the file or folder that the page calls `path`."""
    for root in ROOTS:
        if (REPOSITORY / root / path).exists():
            return REPOSITORY / root / path
    return None


def defined_in(module: Path) -> set[str]:
    """Return the names that a module defines or assigns at its top level, and the classes that it imports to offer."""
    names = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


@pytest.mark.parametrize("mention", [m for m in MENTIONS if m not in FILES_OF_A_USER])
def test_what_the_page_names_exists(mention: str) -> None:
    path, _, name = mention.partition(":")
    target = located(path)
    assert target is not None, path
    assert not name or name in defined_in(target)


def test_the_page_names_every_room_of_the_core() -> None:
    rooms = [
        path.parent.name for path in (REPOSITORY / "core/firstlight_core").glob("*/__init__.py")
    ]
    assert len(MENTIONS) > 60
    assert [room for room in rooms if room != "sample" and f"{room}/" not in PAGE] == []
