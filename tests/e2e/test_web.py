"""The whole walk in a browser: the real wizard, the real tools, a headless Chromium."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight_core.ledger import list_runs
from tests.support.browser import CHROMIUM, open_page

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]


async def test_from_start_to_finish_in_a_browser(tmp_path: Path) -> None:
    home = tmp_path / "home"
    server = subprocess.Popen(
        [sys.executable, "-m", "firstlight_tui", "--web", "--demo", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "FIRSTLIGHT_HOME": str(home)},
    )
    assert server.stdout is not None
    try:
        address = server.stdout.readline().split()[-1]
        async with open_page(address, tmp_path / "profile") as page:
            # The first key comes before any click.
            await page.shows("Ready", seconds=120)
            await page.press("enter")
            await page.shows("proven")
            await page.click("Next: Precision")
            await page.shows("Next: Convert")
            await page.press("enter")
            await page.shows("→ INT4")
            await page.press("enter")
            await page.shows("Next: Template", seconds=300)
            await page.press("enter")
            await page.shows("Save template", seconds=120)
            await page.press("enter")
            await page.shows("Next: Deploy", seconds=120)
            await page.press("enter")
            await page.shows("Skip")
            await page.click("Skip")
            await page.shows("Enter asks", seconds=120)
            await page.press("enter")
            await page.shows("TTFT", seconds=120)
            await page.click("Next: Benchmark")
            await page.shows("▸  8 Benchmark")
            await page.click("Skip")
            await page.shows("▸  9 Quality")
            await page.click("Skip")
            await page.shows("Finish", seconds=120)
            await page.picture(tmp_path / "summary.png")
            await page.click("Finish")
            await page.closes(seconds=60)
        (run,) = list_runs(home / "data" / "runs")
        done = {entry.step for entry in run.entries() if entry.status == "done"}
        assert {"model", "convert", "template", "chat", "summary"} <= done
        # The template of textual-serve asks a font service; the policy of the page forbids it.
        elsewhere = [url for url in page.requested if not url.startswith("http://127.0.0.1:")]
        assert len(elsewhere) == len(page.blocked) == page.blocked.count("csp")
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
        server.stdout.close()
