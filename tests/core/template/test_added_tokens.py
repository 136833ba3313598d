"""The added tokens of a tokenizer.json are read without the vocabulary around them."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.tokenizer_files import AddedToken, read_added_tokens
from firstlight_core.errors import FirstlightError

ADDED = [
    {"id": 7, "content": "<|im_end|>", "special": True},
    {"id": 8, "content": '"added_tokens": [', "special": False},
    {"id": 9, "content": "\n\n漢😀", "special": False},
]
WANTED = tuple(
    AddedToken(str(e["content"]), int(str(e["id"])), e["special"] is True) for e in ADDED
)


def written(folder: Path, *parts: tuple[str, Any], **how: Any) -> Path:
    (folder / "tokenizer.json").write_text(json.dumps(dict(parts), **how), encoding="utf-8")
    return folder


@pytest.mark.parametrize("how", [{}, {"indent": 2}, {"ensure_ascii": False}])
def test_as_the_whole_file_says(tmp_path: Path, how: dict[str, Any]) -> None:
    model = {"vocab": {'"added_tokens"': 5, "added_tokens": 3}}
    added, rest = ("added_tokens", ADDED), ("model", model)
    assert read_added_tokens(written(tmp_path, added, rest, **how)) == WANTED
    # Another writer may sort the keys, or leave it out.
    assert read_added_tokens(written(tmp_path, rest, added, **how)) == WANTED
    assert read_added_tokens(written(tmp_path, rest, **how)) == ()
    many = [{"id": n, "content": f"<unused{n}>" * 40} for n in range(4_000)]
    tokens = read_added_tokens(written(tmp_path, ("added_tokens", many), rest, **how))
    assert [token.id for token in tokens] == list(range(4_000))


def test_a_broken_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"added_tokens": [{"id": 1, ')
    with pytest.raises(FirstlightError):
        read_added_tokens(tmp_path)


@pytest.mark.slow
def test_a_large_vocabulary_costs_no_memory(tmp_path: Path) -> None:
    vocabulary = {f"token {n}": n for n in range(200_000)}
    written(tmp_path, ("added_tokens", ADDED), ("model", {"vocab": vocabulary}))

    def parse() -> object:
        return json.loads((tmp_path / "tokenizer.json").read_bytes())

    def read() -> object:
        return read_added_tokens(tmp_path)

    peaks = []
    for way in (parse, read):
        tracemalloc.start()
        way()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    whole, added = peaks
    assert added < whole / 3
