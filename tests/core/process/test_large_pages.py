"""Engines ask the system for large pages, and leave what a user set alone."""

from pathlib import Path

import pytest

from firstlight_core.documents.jobs_engine import ENGINE
from firstlight_core.process.large_pages import with_large_pages
from firstlight_core.process.operations import Empty
from firstlight_core.process.runner import open_job

ASKED = "glibc.malloc.hugetlb=1"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, ASKED),
        ({"GLIBC_TUNABLES": "glibc.malloc.check=3"}, f"glibc.malloc.check=3:{ASKED}"),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, "glibc.malloc.hugetlb=0"),
    ],
)
def test_the_variable_asks_beside_what_the_user_set(own: dict[str, str], expected: str) -> None:
    made = with_large_pages({"PATH": "/bin", **own})
    assert made == {"PATH": "/bin", "GLIBC_TUNABLES": expected}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
async def test_the_process_of_an_engine_asks() -> None:
    async with open_job(ENGINE, Empty()) as job:
        environment = Path(f"/proc/{job.pid}/environ").read_bytes().split(b"\0")
    assert f"GLIBC_TUNABLES={ASKED}".encode() in environment
