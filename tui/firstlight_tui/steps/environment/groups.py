"""The four questions of the environment step: which rows answer each, and what their tile says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from firstlight_tui.state.work_rows import CheckRow
from firstlight_tui.widgets.charts.tile import Tile


@dataclass(frozen=True, slots=True)
class Group:
    """One tile: its rows, and whether all of it is optional."""

    key: str
    title: str
    rows: tuple[str, ...]
    optional: bool = False


GROUPS = (
    Group(
        "convert",
        "Convert",
        (
            "python",
            "memory",
            "disk",
            "olive-ai",
            "onnx",
            "transformers",
            "torch",
            "numpy",
            "peft",
            "pair",
            "toolchain",
        ),
    ),
    Group(
        "run", "Run", ("system", "cpu", "onnxruntime-genai", "onnxruntime", "providers", "terminal")
    ),
    Group("deploy", "Deploy", ("foundry-sdk", "foundry-command"), optional=True),
    Group("source", "From source", ("cmake",), optional=True),
)
_SEVERITY = ("fail", "missing", "warning", "unknown")


def group_rows(group: Group, rows: Iterable[CheckRow]) -> list[CheckRow]:
    """Return the rows of one group, in their order."""
    return [row for row in rows if row["id"] in group.rows]


def is_problem(row: CheckRow) -> bool:
    """Return whether a row asks for attention."""
    return row["status"] in _SEVERITY


def problems(rows: Iterable[CheckRow]) -> list[CheckRow]:
    """Return the rows that ask for attention: what blocks first, what is optional last."""
    return sorted((row for row in rows if is_problem(row)), key=_urgency)


def _urgency(row: CheckRow) -> tuple[bool, bool, int]:
    vital = bool(row.get("vital", False))
    is_optional = not vital and row["status"] == "missing"
    return (not vital, is_optional, _SEVERITY.index(row["status"]))


def tile_of(group: Group, rows: Sequence[CheckRow]) -> Tile:
    """Return the tile of a group."""
    own = group_rows(group, rows)
    waiting = sum(row["status"] == "looking" for row in own)
    wrong = problems(own)
    if waiting:
        return Tile(
            title=group.title,
            figure="Looking …",
            origin=None,
            verdict=f"{len(own) - waiting} of {len(own)}",
        )
    if not own:
        return Tile(title=group.title, figure="–", origin=None, verdict="not checked")
    if not wrong:
        return Tile(
            title=group.title,
            figure="Ready",
            origin=None,
            judged="good",
            verdict="1 check OK" if len(own) == 1 else f"{len(own)} checks OK",
        )
    names = ", ".join(row["title"] for row in wrong)
    if any(row.get("vital") and row["status"] in ("fail", "missing") for row in wrong):
        return Tile(title=group.title, figure="Blocked", origin=None, judged="bad", verdict=names)
    if group.optional:
        return Tile(
            title=group.title,
            figure="Optional",
            origin=None,
            judged="caution",
            verdict=f"without {names}",
        )
    return Tile(title=group.title, figure="Warning", origin=None, judged="caution", verdict=names)
