"""What the shell shows after the wizard has left."""

import shlex

from firstlight_core.documents.workflow import SummaryFiles
from firstlight_core.session import Session
from firstlight_tui.commands import VERBS
from firstlight_tui.farewell import farewell_lines
from tests.support.wizard_documents import DEPLOYMENT, FULL

WRITTEN: SummaryFiles = {
    "markdown": "/runs/a b/report.md",
    "json": "/runs/a b/report.json",
    "html": "/runs/a b/report.html",
    "run_toml": "/runs/a b/run.toml",
}


def test_after_a_whole_walk_three_lines_say_where_it_is_and_how_it_goes_on() -> None:
    lines = farewell_lines(FULL.decide(deployment=DEPLOYMENT), WRITTEN)
    assert [line[:8].strip() for line in lines] == ["Report", "Ask it", "Again"]
    # A terminal opens it on a click, and a blank does not end it.
    assert lines[0].split()[1].startswith("file:///") and lines[0].endswith(
        "/runs/a%20b/report.html"
    )
    for line in lines[1:]:
        words = shlex.split(line[8:])
        assert words[0] == "firstlight" and words[1] in VERBS
    assert shlex.split(lines[1][8:])[2] == DEPLOYMENT["name"]
    assert shlex.split(lines[2][8:])[2:] == ["/runs/a b/run.toml", "--yes"]


def test_an_artifact_without_a_deployment_is_asked_by_its_folder() -> None:
    (line,) = farewell_lines(Session(artifact="/models/my int4"), None)
    assert shlex.split(line[8:]) == ["firstlight", "chat", "/models/my int4"]


def test_a_wizard_that_made_nothing_says_nothing() -> None:
    assert farewell_lines(Session(source="/models/a"), None) == []
