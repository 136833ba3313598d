"""What is chosen for a deployment, without a screen."""

import pytest

from firstlight_core.documents.foundry import CommandDocument
from firstlight_core.session import Session
from firstlight_tui.state.deployment import (
    Choice,
    NextCommands,
    next_commands,
    serve_target,
    suggested_choice,
)
from firstlight_tui.state.workspace import Drafts
from tests.support import documents
from tests.support.wizard_documents import DEPLOYMENT, FULL

NAME = str(DEPLOYMENT["name"])


def test_the_suggestion_is_what_is_deployed_else_the_name_of_the_template() -> None:
    assert suggested_choice(FULL).name == NAME
    assert suggested_choice(FULL.decide(deployment=None)).target == "foundry"
    assert suggested_choice(Session(artifact="/models/out/int4")).name
    assert suggested_choice(Session()).name == ""


@pytest.mark.parametrize(
    ("choice", "deployed"),
    [
        (Choice(name=NAME, target="foundry"), True),
        (Choice(name="Other", target="foundry"), False),
        (Choice(name=NAME, target="bundle"), False),
    ],
)
def test_another_name_or_target_is_another_deployment(choice: Choice, deployed: bool) -> None:
    published = FULL.decide(deployment={**DEPLOYMENT, "target": "foundry"})
    assert choice.is_deployed(published) is deployed
    assert not choice.is_deployed(FULL.decide(deployment=None))


def test_only_a_name_in_a_cache_can_be_taken() -> None:
    targets = {"old-one": "foundry"}
    assert Choice(name="Old-One", target="folder").replaces(targets)
    assert not Choice(name="Old-One", target="bundle").replaces(targets)


def test_an_export_is_not_what_is_served() -> None:
    assert serve_target(FULL) == NAME
    export = FULL.decide(deployment=documents.exported("mine", "bundle"))
    assert serve_target(export) == str(FULL.artifact)


def test_a_draft_belongs_to_its_artifact() -> None:
    choice = Choice(name="mine", target="foundry")
    drafts = Drafts(deployment=("/a", choice))
    assert drafts.deployment_of("/a") is choice
    assert drafts.deployment_of("/b") is None


def test_commands_whose_program_is_absent_are_apart() -> None:
    rows: list[CommandDocument] = [
        {"command": "OLLAMA_HOST=:1 ollama create mine", "does": "import it"},
        {"command": "firstlight chat mine", "does": "talk to it"},
        {"command": "curl http://127.0.0.1", "does": "ask it"},
        {"command": "ollama run mine", "does": "talk to it"},
    ]
    commands = next_commands(rows, which=lambda name: None if name == "ollama" else f"/bin/{name}")
    assert commands.first == rows[1] and commands.further == (rows[2],)
    assert commands.absent == (rows[0], rows[3]) and commands.absent_programs == ("ollama",)
    assert next_commands([]) == NextCommands(None, (), ())
