"""Public names and the sentences that a person reads use the words of docs/vocabulary.toml."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("core/firstlight_core", "tui/firstlight_tui")
VOCABULARY: Mapping[str, Mapping[str, str]] = tomllib.loads(
    (REPOSITORY / "docs" / "vocabulary.toml").read_text(encoding="utf-8")
)
ANY_WORD = re.compile("|".join(VOCABULARY["words"]), re.IGNORECASE)
"""A sentence without it has none of the unwanted words."""
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources() -> tuple[tuple[str, ast.Module], ...]:
    """Every module of the core and the wizard; the recipe of the sample model is the record of a training run."""
    return tuple(
        (name, ast.parse(path.read_text(encoding="utf-8")))
        for package in PACKAGES
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        if not (name := path.relative_to(REPOSITORY).as_posix()).startswith(
            "core/firstlight_core/sample/recipe"
        )
    )


def public_names(name: str, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The module's own name, and its public classes, functions, parameters, fields and constants with their lines."""
    yield Path(name).stem, 1
    yield from _names_in(tree)


def _names_in(scope: ast.Module | ast.ClassDef) -> Iterator[tuple[str, int]]:
    for node in scope.body:
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield name, node.lineno
                yield from _names_in(node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name == "__init__" or not name.startswith("_"):
                    yield name, node.lineno
                    arguments = node.args
                    for argument in [
                        *arguments.posonlyargs,
                        *arguments.args,
                        *arguments.kwonlyargs,
                    ]:
                        yield argument.arg, argument.lineno
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                yield name, node.lineno
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name) and not target.id.startswith("_"):
                        yield target.id, node.lineno


def visible_strings(name: str, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Strings that may be shown: neither docstring nor style sheet, with a space or a capital at the beginning.

    The docstring of a verb is its help.
    """
    hidden = {id(child) for node in ast.walk(tree) if _is_hidden(node) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in hidden
        ):
            text = node.value
            if " " in text or text[:1].isupper():
                yield text, node.lineno
        elif isinstance(node, FUNCTIONS) and f"/commands/{node.name}_.py" in name:
            yield ast.get_docstring(node) or "", node.lineno


def _is_hidden(node: ast.AST) -> bool:
    """True for docstrings and for style sheets, whose ids are no words."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(target, ast.Name) and target.id.endswith("CSS") for target in targets)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def words_of(name: str) -> list[str]:
    """The lower-case words of an identifier."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def name_faults(name: str, tree: ast.Module) -> list[str]:
    """Public names of one module that have an unwanted word, each with the term to use."""
    unwanted, whole = VOCABULARY["names"], VOCABULARY["whole_names"]
    faults = []
    for public, line in public_names(name, tree):
        if public in VOCABULARY["exceptions"]:
            continue
        if public in whole:
            faults.append(f"{name}:{line}: {public}: say what it is: {whole[public]}")
        faults += [
            f"{name}:{line}: {public}: say {unwanted[word]}, not {word!r}"
            for word in words_of(public)
            if word in unwanted
        ]
    return faults


def word_faults(name: str, tree: ast.Module) -> list[str]:
    """Sentences of one module that have an unwanted word, alone or as a plural, each with the term to use.

    The name of an option (`--mend`) is no word of a sentence.
    """
    return [
        f"{name}:{line}: {text.strip()[:60]!r}: say {term}, not {word!r}"
        for text, line in visible_strings(name, tree)
        if ANY_WORD.search(text)
        for word, term in VOCABULARY["words"].items()
        if re.search(rf"(?<![\w-]){word}s?(?![\w-])", text, re.IGNORECASE)
    ]


def docstrings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Docstrings of modules, classes, functions, fields and constants with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text, node.lineno


def docstring_faults(name: str, tree: ast.Module) -> list[str]:
    """Docstrings of one module that begin with one of the unwanted words."""
    return [
        f"{name}:{line}: {text.strip()[:60]!r}: {VOCABULARY['docstrings'][first]}"
        for text, line in docstrings(tree)
        if (first := (text.split() or [""])[0].rstrip(",")) in VOCABULARY["docstrings"]
    ]


@pytest.mark.slow
def test_docstrings_name_their_thing_or_say_what_it_does() -> None:
    faults = [fault for name, tree in sources() for fault in docstring_faults(name, tree)]
    assert faults == []


def test_public_names_use_the_words_of_the_field() -> None:
    assert [fault for name, tree in sources() for fault in name_faults(name, tree)] == []


@pytest.mark.slow
def test_sentences_that_a_person_reads_use_the_words_of_the_field() -> None:
    assert [fault for name, tree in sources() for fault in word_faults(name, tree)] == []


def test_every_exception_is_still_needed() -> None:
    names = {public for name, tree in sources() for public, _ in public_names(name, tree)}
    assert [name for name in VOCABULARY["exceptions"] if name not in names] == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def measure_crowd(): ...", "core/planted.py:1: measure_crowd: say load, not 'crowd'"),
        ("class LaneView: ...", "core/planted.py:1: LaneView: say column"),
        ("def read(path, *, said): ...", "core/planted.py:1: said: say what it is"),
        ("class Row:\n    told: str", "core/planted.py:2: told: say what it is"),
        ("WORDING = 1", "core/planted.py:1: WORDING: say sizer"),
    ],
)
def test_a_planted_name_is_seen(source: str, fault: str) -> None:
    (seen,) = name_faults("core/planted.py", ast.parse(source))
    assert seen.startswith(fault)


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("show('Close the other lanes first.')", True),
        ("show(f'{count} lanes')", True),
        ("bind(description='Walk')", True),
        ('"""Of all lanes."""', False),
        ("CSS = '#lane { height: 1fr; }'", False),
        ("hint = 'Write it with --mend.'", False),
        ("query('#lock')", False),
    ],
)
def test_a_planted_word_is_seen_where_a_person_reads_it(source: str, seen: bool) -> None:
    assert bool(word_faults("tui/planted.py", ast.parse(source))) is seen


def test_the_help_of_a_verb_is_read_by_a_person() -> None:
    tree = ast.parse('def repeat():\n    """Repeat a walk."""')
    assert word_faults("tui/firstlight_tui/commands/repeat_.py", tree)


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ('"""What a verb says."""', True),
        ('def read():\n    """What is read."""', True),
        ('class Row:\n    size: int\n    """Those that count."""', True),
        ('LIMIT = 3\n"""Whoever asks gets so many."""', True),
        ('def read():\n    """Return what is read."""', False),
        ('TEXT = "What is int4?"', False),
    ],
)
def test_a_planted_docstring_is_seen(source: str, seen: bool) -> None:
    assert bool(docstring_faults("core/planted.py", ast.parse(source))) is seen
