"""A walk over a foreign artifact that asks for no template: everything is read, nothing in the folder changes."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.workflow.plan import BenchChoice, ChatChoice, Plan
from firstlight_core.workflow.services import Services
from firstlight_core.workflow.walk import walk
from tests.support.tiny_models import puppet

pytestmark = pytest.mark.real


def content(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


async def test_a_foreign_folder_stays_as_it_was(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "foreign", ["Hello", " there"], loop=True)
    (folder / "inference_model.json").unlink()
    before = content(folder)

    async def ready() -> dict[str, Any]:
        return {"verdict": "ready", "checks": []}

    plan = Plan(
        artifact=folder,
        chat=ChatChoice(prompts=("HI",), max_tokens=4),
        benchmark=BenchChoice(lengths=(8,), new_tokens=2, repeats=1),
    )
    document = await walk(plan, runs=tmp_path / "runs", services=Services(run_checks=ready))
    by_name = {step["id"]: step["status"] for step in document["steps"]}
    assert by_name["template"] == "skipped"
    assert by_name["chat"] == by_name["benchmark"] == "done"
    assert content(folder) == before
