"""`make house`: count how well the code keeps the rules of docs/ARCHITECTURE.md. `tests/test_house.py` holds the limits."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PACKAGES = {
    "core": "core/firstlight_core",
    "tui": "tui/firstlight_tui",
    "themes": "themes/firstlight_themes",
}
FOLDERS = {**PACKAGES, "bench": "bench", "screenshots": "screenshots", "tests": "tests"}
# The record of one training run, not code that runs.
RECIPE = "core/firstlight_core/sample"

MODULE_LINES = 350
SMALL_MODULE_LINES = 25
DUPLICATE_LINES = 6
# Names that say how a value came about instead of what it is.
PRIVATE_WORDS = frozenset(
    ["found", "said", "told", "kept", "asked", "taken", "shown", "one", "place"]
)
OPEN_TYPES = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed source file; `name` is its path relative to the repository."""

    name: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    """Every node of the tree: walking it anew for each count took longer than parsing it."""

    @property
    def lines(self) -> int:
        return self.text.count("\n")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same run of lines in two files; `first` and `second` are `path:line`."""

    first: str
    second: str
    lines: int


@dataclass(frozen=True, slots=True)
class Imports:
    """Faults of the import graph, imports under TYPE_CHECKING included."""

    circles: list[list[str]]
    arrows_up: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class House:
    """All counts of one working tree."""

    open_dicts: dict[str, float]
    imports: Imports
    long_modules: list[str]
    small_modules: list[str]
    private_words: dict[str, float]
    duplicates: list[Duplicate]


def read_modules(root: Path, folder: str) -> list[Module]:
    """Parse every Python file below the folder, without the sample's recipe."""
    modules = []
    for path in sorted((root / folder).rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(RECIPE):
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text, name)
            modules.append(Module(name, text, tree, tuple(ast.walk(tree))))
    return modules


def _is_open_dict(node: ast.AST) -> bool:
    """True for `dict[str, Any]` and its abstract relatives."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in OPEN_TYPES
        and isinstance(node.slice, ast.Tuple)
        and [getattr(item, "id", "") for item in node.slice.elts] == ["str", "Any"]
    )


def open_aliases(modules: Sequence[Module]) -> set[str]:
    """Names that any module assigns to an open dict, such as `Document = dict[str, Any]`."""
    return {
        target.id
        for module in modules
        for node in module.tree.body
        if isinstance(node, ast.Assign) and _is_open_dict(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def count_open_dicts(modules: Sequence[Module], aliases: set[str]) -> int:
    """Count the open dicts and the uses of their aliases; an import of an alias is no use."""
    return sum(
        _is_open_dict(node)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in aliases)
        for module in modules
        for node in module.nodes
    )


def bindings(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield every name that is bound: assignments, loops, parameters, attributes, `as`."""
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.arg(arg=name) if name not in ("self", "cls"):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def private_share(modules: Sequence[Module]) -> float:
    """Share of the bindings whose name is a private word, in percent."""
    names = [name for module in modules for name in bindings(module.nodes)]
    return 100 * sum(name.lstrip("_") in PRIVATE_WORDS for name in names) / max(1, len(names))


def _only_constants(tree: ast.Module) -> bool:
    statements = [
        node
        for node in tree.body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    return bool(statements) and all(
        isinstance(node, ast.Assign | ast.AnnAssign) for node in statements
    )


def find_small_modules(modules: Sequence[Module]) -> list[str]:
    """Modules below 25 lines that hold only constants and that a single other module imports."""
    small = []
    for module in modules:
        path = Path(module.name)
        if module.lines >= SMALL_MODULE_LINES or path.stem.startswith("__"):
            continue
        if _only_constants(module.tree):
            importers = [
                other.name
                for other in modules
                if other is not module and _imports(other.nodes, path.parent.name, path.stem)
            ]
            if len(importers) == 1:
                small.append(module.name)
    return small


def _imports(nodes: Iterable[ast.AST], package: str, stem: str) -> bool:
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[-2:] == [package, stem]:
                return True
            if parts[-1] == package and stem in [alias.name for alias in node.names]:
                return True
    return False


def _code_lines(module: Module) -> list[tuple[int, str]]:
    """Lines that carry code, stripped, with their numbers.

    Left out are imports, comments, docstrings, and declarations: an override repeats a signature, and a document
    the fields of the dataclass that it is made from.
    """
    skipped: set[int] = set()
    for node in module.nodes:
        prose = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and (prose or isinstance(node, ast.Import | ast.ImportFrom)):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            start = min(item.lineno for item in (node, *node.decorator_list))
            skipped.update(range(start, node.body[0].lineno))
        elif isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and field.value is None:
                    skipped.update(range(field.lineno, (field.end_lineno or field.lineno) + 1))
    return [
        (number, stripped)
        for number, line in enumerate(module.text.splitlines(), 1)
        if (stripped := line.strip()) and number not in skipped and not stripped.startswith("#")
    ]


def find_duplicates(modules: Sequence[Module]) -> list[Duplicate]:
    """Runs of six or more equal lines in two different files, each run once at its full length."""
    code = {module.name: _code_lines(module) for module in modules}
    windows: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for name, lines in code.items():
        texts = [text for _, text in lines]
        # Brackets alone are layout.
        has_word = [re.search(r"\w", text) is not None for text in texts]
        for index in range(len(lines) - DUPLICATE_LINES + 1):
            if sum(has_word[index : index + DUPLICATE_LINES]) >= DUPLICATE_LINES - 1:
                windows[tuple(texts[index : index + DUPLICATE_LINES])].append((name, index))
    duplicates = []
    for matches in windows.values():
        for number, (first, i) in enumerate(matches):
            for second, j in matches[number + 1 :]:
                a, b = code[first], code[second]
                starts = i == 0 or j == 0 or a[i - 1][1] != b[j - 1][1]
                if first != second and starts:
                    length = 0
                    while (
                        i + length < len(a)
                        and j + length < len(b)
                        and a[i + length][1] == b[j + length][1]
                    ):
                        length += 1
                    duplicates.append(
                        Duplicate(f"{first}:{a[i][0]}", f"{second}:{b[j][0]}", length)
                    )
    return sorted(duplicates, key=lambda duplicate: (-duplicate.lines, duplicate.first))


def read_layers(root: Path) -> list[list[str]]:
    """Rooms of the core, highest first; the rooms of one layer may not import each other."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    for contract in contracts["contracts"]:
        if contract["type"] == "layers" and contract["containers"] == ["firstlight_core"]:
            return [[room.strip() for room in layer.split(":")] for layer in contract["layers"]]
    return []


def examine_imports(root: Path) -> Imports:
    """Find circles among modules and among rooms, and imports from a lower room of the core to a higher one."""
    import grimp

    names = [Path(folder).name for folder in PACKAGES.values()]
    for folder in PACKAGES.values():
        sys.path.insert(0, str((root / folder).parent))
    graph = grimp.build_graph(*names, exclude_type_checking_imports=False, cache_dir=None)
    modules = {name for name in graph.modules if ".sample." not in name}
    edges = {name: set(graph.find_modules_directly_imported_by(name)) & modules for name in modules}
    rooms: dict[str, set[str]] = defaultdict(set)
    for name, targets in edges.items():
        for target in targets:
            if _room(name) != _room(target) and name not in names and target not in names:
                rooms[_room(name)].add(_room(target))
    rank = {
        f"firstlight_core.{room}": (depth, room)
        for depth, layer in enumerate(read_layers(root))
        for room in layer
    }
    arrows = [
        (name, target)
        for name in sorted(edges)
        for target in sorted(edges[name])
        if _room(name) != _room(target)
        and _room(name) in rank
        and _room(target) in rank
        and rank[_room(target)][0] <= rank[_room(name)][0]
    ]
    return Imports(find_circles(edges) + find_circles(rooms), arrows)


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def find_circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names that reach each other."""
    reached: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in edges.get(waiting.pop(), set()) - seen:
                seen.add(target)
                waiting.append(target)
        reached[start] = seen
    circles = {
        tuple(sorted(name for name in reached[start] if start in reached.get(name, set())))
        for start in edges
        if start in reached[start]
    }
    return [list(circle) for circle in sorted(circles)]


def count(root: Path = REPOSITORY, examine: Callable[[Path], Imports] | None = None) -> House:
    """Count everything in the working tree at `root`; `examine` builds the import graph."""
    parts = {part: read_modules(root, folder) for part, folder in FOLDERS.items()}
    modules = [module for part in FOLDERS if part != "tests" for module in parts[part]]
    aliases = open_aliases(modules)
    return House(
        open_dicts={
            part: round(
                1000
                * count_open_dicts(parts[part], aliases)
                / sum(module.lines for module in parts[part]),
                1,
            )
            for part in ("core", "tui")
        },
        imports=(examine or examine_imports)(root),
        long_modules=[
            f"{module.name} ({module.lines})" for module in modules if module.lines > MODULE_LINES
        ],
        small_modules=find_small_modules(modules),
        private_words={part: round(private_share(parts[part]), 2) for part in FOLDERS},
        duplicates=find_duplicates(modules),
    )


def main(arguments: Sequence[str]) -> int:
    """Print the counts of this tree, or of the one that is named."""
    house = count(Path(arguments[0]).resolve() if arguments else REPOSITORY)
    out = sys.stdout.write
    for part, rate in house.open_dicts.items():
        out(f"open dicts per 1,000 lines, {part}: {rate}\n")
    for part, share in house.private_words.items():
        out(f"private words among bindings, {part}: {share} %\n")
    for title, items in (
        ("import circles", [" ".join(circle) for circle in house.imports.circles]),
        ("arrows up", [" -> ".join(arrow) for arrow in house.imports.arrows_up]),
        (f"modules above {MODULE_LINES} lines", house.long_modules),
        (f"constants in a module below {SMALL_MODULE_LINES} lines", house.small_modules),
        (
            f"duplicates of {DUPLICATE_LINES} or more lines",
            [f"{item.lines} lines: {item.first} {item.second}" for item in house.duplicates],
        ),
    ):
        out(f"{title}: {len(items)}\n" + "".join(f"    {item}\n" for item in items))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
