"""Mutated artifact folders: refused before they are opened, or a clean error from the engine's process."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.engine import open_engine
from tests.support.tiny_models import tiny_genai

QUESTION = [{"role": "user", "content": "HI"}]
CAPITALS = "{% for m in messages %}<s>{{ m['content'] }}</s>{% endfor %}"
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    10**400,
    1e308,
    "",
    "../x",
    "\x1b]52;c;UFdORUQ=\x07",
    "x" * 70_000,
    [],
    {},
    [[[]]],
    {"custom_ops_library": "/tmp/x.so"},
]


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to every value of a JSON document."""
    listed = [path] if path else []
    pairs = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in pairs:
        listed += places(value, (*path, key))
    return listed


def mutate(config: Any, chance: random.Random) -> str:
    """Change one to three values in place; says what was done."""
    lines = []
    for _ in range(chance.randint(1, 3)):
        *above, key = chance.choice(places(config))
        node = config
        try:
            for step in above:
                node = node[step]
        except (KeyError, IndexError, TypeError):
            continue
        match chance.choice(["odd", "drop", "rename"]):
            case "drop" if isinstance(node, dict):
                node.pop(key, None)
            case "rename" if isinstance(node, dict):
                node[f"{key}x"] = node.pop(key, None)
            case _:
                node[key] = chance.choice(ODD)
        lines.append(".".join(map(str, (*above, key))))
    return ", ".join(lines)


def assert_clean(error: FirstlightError, what: str) -> None:
    text = str(error)
    assert text, what
    assert text.isprintable(), (what, text)
    assert "Traceback" not in text, (what, text)
    assert error.code != "job-failed" or "foreseen" not in error.hint, (what, text, error.detail)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_genai(tmp_path_factory.mktemp("mutations") / "tiny", template=CAPITALS)


@pytest.mark.slow
def test_two_thousand_mutated_configs_never_surprise_the_check(original: Path) -> None:
    path = original / "genai_config.json"
    whole = path.read_text()
    try:
        for seed in range(2_000):
            config = json.loads(whole)
            what = f"seed {seed}: {mutate(config, random.Random(seed))}"
            path.write_text(json.dumps(config))
            try:
                artifact = check_artifact(original)
            except FirstlightError as error:
                assert_clean(error, what)
            else:
                assert 0 < artifact.context_length < 2**31, what
                assert "custom_ops_library" not in path.read_text(), what
    finally:
        path.write_text(whole)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("block", range(3))
@pytest.mark.usefixtures("loaded_jobs")
async def test_what_passes_the_check_fails_cleanly_or_speaks(
    original: Path, tmp_path: Path, block: int
) -> None:
    for seed in range(block * 12, block * 12 + 12):
        chance = random.Random(10_000 + seed)
        folder = tiny_genai(tmp_path / f"m{seed}", template=CAPITALS)
        name = chance.choice(
            ["genai_config.json", "tokenizer.json", "tokenizer_config.json", "model.onnx"]
        )
        path = folder / name
        if name == "model.onnx":
            raw = bytearray(path.read_bytes())
            for _ in range(chance.randint(1, 30)):
                raw[chance.randrange(len(raw))] = chance.randrange(256)
            path.write_bytes(bytes(raw))
            what = f"seed {seed}: {name}"
        else:
            document = json.loads(path.read_text())
            what = f"seed {seed}: {name} {mutate(document, chance)}"
            path.write_text(json.dumps(document))
        try:
            async with open_engine(folder) as engine:
                answer = await engine.answer(QUESTION, greedy=True, max_tokens=4)
                assert answer["stats"]["new_tokens"] <= 4, what
        except FirstlightError as error:
            assert_clean(error, what)
