"""One record, one way to change it: what depended on a changed answer is cleared, and nothing else."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.documents.reading import field_types
from firstlight_core.session import Answers, Session
from tests.support import documents

FULL = Session(
    environment=documents.doctor(),
    source="/models/a",
    model=documents.inspected("/models/a"),
    precisions=("int4", "int8"),
    method="command",
    artifacts=(documents.converted("int4", "/x"),),
    artifact="/x",
    artifact_chosen=True,
    template=documents.settled(),
    deployment=documents.answered("x"),
    chat={
        "kind": "conversation",
        "turns": [{"role": "user", "text": "Why?"}, {"role": "assistant", "text": "Because."}],
        "stats": [{}],
        "ratings": [],
    },
    benchmark=documents.bench(documents.bench_result("/x")),
    quality=documents.quality("/x"),
)
RESULTS = {"template", "deployment", "chat", "benchmark", "quality"}
OTHER = {
    "precisions": ("fp16",),
    "artifacts": (),
    "source": "/models/b",
    "artifact": "/y",
    "artifact_chosen": False,
    "method": "config",
}


def cleared(after: Session, before: Session = FULL) -> set[str]:
    return {f.name for f in fields(Session) if getattr(after, f.name) != getattr(before, f.name)}


@pytest.mark.parametrize(
    ("field", "stale"),
    [
        ("environment", set()),
        (
            "source",
            {"model", "precisions", "artifacts", "artifact", "artifact_chosen", *RESULTS},
        ),
        ("model", set()),
        ("precisions", set()),
        ("method", set()),
        ("artifacts", set()),
        ("artifact", RESULTS),
        ("endpoint", {"chat", "benchmark", "quality"}),
        ("template", {"deployment", "chat", "benchmark", "quality"}),
        ("deployment", set()),
        ("chat", set()),
        ("benchmark", set()),
        ("quality", set()),
    ],
)
def test_what_depended_on_an_answer_is_cleared(field: str, stale: set[str]) -> None:
    after = FULL.decide(**{field: OTHER.get(field, {"new": True})})
    assert cleared(after) == stale | {field}
    empty = Session()
    assert all(getattr(after, name) == getattr(empty, name) for name in stale)


def test_every_field_has_its_row() -> None:
    for field in fields(Session):
        FULL.decide(**{field.name: None})


def test_the_same_answer_clears_nothing() -> None:
    assert FULL.decide(source=FULL.source, artifact=FULL.artifact) == FULL


def test_what_is_decided_together_is_kept() -> None:
    after = FULL.decide(source="/models/b", model={"parameters": 2}, precisions=("fp32",))
    assert after.model == {"parameters": 2}
    assert after.precisions == ("fp32",)
    assert after.artifact is None


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises((TypeError, AttributeError)):
        FULL.decide(colour="red")


def test_a_session_survives_json_and_unknown_keys() -> None:
    assert Session.from_json(FULL.to_json() | {"from the future": 1}) == FULL
    assert Session.from_json({}) == Session()


@given(st.lists(st.sampled_from([f.name for f in fields(Session)]), max_size=6))
def test_results_never_outlive_their_artifact(changes: list[str]) -> None:
    session = FULL
    for number, name in enumerate(changes):
        value = (str(number),) if name in ("precisions",) else str(number)
        value = () if name == "artifacts" else value
        session = session.decide(**{name: value})
    if "source" in changes and "artifact" not in changes[changes.index("source") :]:
        assert session.artifact is None


def test_the_measured_document_of_a_precision() -> None:
    assert FULL.measured("int4") == documents.converted("int4", "/x")
    assert FULL.measured("int8") is None


def test_a_server_takes_the_artifacts_place_until_another_model_is_chosen() -> None:
    assert (FULL.target, FULL.network) == ("/x", False)
    endpoint = {"target": "http://127.0.0.1:1/v1#m", "server": "", "model": "m", "network": True}
    connected = FULL.decide(endpoint=endpoint)
    assert (connected.target, connected.network) == (endpoint["target"], True)
    assert (connected.artifact, connected.template) == (FULL.artifact, FULL.template)
    assert Session.from_json(connected.to_json()) == connected
    assert connected.decide(endpoint=None).target == "/x"
    assert connected.decide(source="/models/b").target is None


def made(*keys: str, **fields: object) -> Session:
    session = Session(source="/m", **fields)  # type: ignore[arg-type]
    for key in keys:
        session = session.converted({"precision": key, "artifact": f"/out/{key}"})
    return session


@pytest.mark.parametrize(
    ("keys", "used"),
    [
        (["int8-compact", "int4"], "int4"),
        (["int4", "int8"], "int4"),
        (["fp32", "int8"], "int8"),
        (["fp16", "fp32"], "fp16"),
        (["int4-compact", "int4"], "int4"),
        (["int8"], "int8"),
    ],
)
def test_of_several_the_preselected_or_the_smallest_is_in_use(keys: list[str], used: str) -> None:
    session = made(*keys)
    assert session.precision_in_use == used
    assert [a["precision"] for a in session.artifacts] == keys


def test_what_the_user_chose_or_worked_on_stays_in_use() -> None:
    later = {"precision": "int4", "artifact": "/out/int4"}
    chosen = made("int8").decide(artifact_chosen=True)
    assert chosen.converted(later).precision_in_use == "int8"
    assert made("int8").converted(later, keep=True).precision_in_use == "int8"
    worked_on = made("int8").decide(template={"locked": True})
    after = worked_on.converted(later)
    assert after.precision_in_use == "int8" and after.template == {"locked": True}


def test_a_precision_that_is_made_again_replaces_its_first() -> None:
    session = made("int4").converted({"precision": "int4", "artifact": "/out/int4", "bytes": 2})
    assert len(session.artifacts) == 1 and session.artifacts[0]["bytes"] == 2


def test_the_answers_that_can_be_decided_are_the_fields() -> None:
    answers = field_types(Answers)
    assert answers == field_types(Session)
    assert list(answers) == [field.name for field in fields(Session)]
