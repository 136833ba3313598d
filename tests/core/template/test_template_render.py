"""The renderers' limits: a hostile template costs seconds and one sentence, never the program."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError

from firstlight_core.artifact.tokenizer_files import copy_tokenizer, read_chat_template
from firstlight_core.errors import JobDied, OutOfMemory, TemplateRefused
from firstlight_core.template import rendering
from firstlight_core.template.derive import derive_template
from firstlight_core.template.parity import private_tokenizer, render
from firstlight_core.template.sandbox import compile_template
from tests.support.template_families import FAMILIES, write_family

EXAMPLES = int(os.environ.get("FIRSTLIGHT_FUZZ", "400"))
"""Inputs of each property test; `FIRSTLIGHT_FUZZ=20000` for the long run."""
ONE = [{"messages": [{"role": "user", "content": "hi"}], "add_generation_prompt": True}]

RECURSION = "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}"
LOOPS = (
    "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
    "{% endfor %}{% endfor %}{% endfor %}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_family(tmp_path / "family", FAMILIES[0])


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(LOOPS, marks=pytest.mark.slow),
        "{{ 'x' * 10**9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        RECURSION,
        "{{ lipsum.__globals__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__class__.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ messages.append(1) }}",
        "{{ raise_exception('no') }}",
    ],
)
async def test_a_hostile_template_is_an_error_in_the_sandbox(folder: Path, template: str) -> None:
    try:
        row = (await render("jinja", folder, ONE, template=template, cpu_seconds=1))["renders"][0]
    except TemplateRefused as error:
        assert "template" in str(error).lower()
    else:
        assert "error" in row or row["text"].strip() == ""
        assert "root:" not in json.dumps(row)


@pytest.mark.real
@pytest.mark.parametrize("template", [RECURSION, LOOPS], ids=["recursion", "loops"])
async def test_a_template_that_kills_genai_is_one_sentence(folder: Path, template: str) -> None:
    with pytest.raises(
        TemplateRefused, match=r"Onnxruntime-genai's renderer (crashed|ran out|took)"
    ):
        await render("genai", folder, ONE, template=template, cpu_seconds=1)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{% if %}", "line 2"),
        ("{{ x | nope }}", "nope"),
        ("{% for x in y %}", "not valid Jinja"),
    ],
)
async def test_a_syntax_error_names_its_line(folder: Path, template: str, message: str) -> None:
    with pytest.raises(TemplateRefused) as caught:
        await render("jinja", folder, ONE, template=template)
    assert message in str(caught.value)


@pytest.mark.slow
async def test_the_sandbox_renders_what_the_families_define(tmp_path: Path) -> None:
    for family in FAMILIES:
        own = write_family(tmp_path / family.key, family)
        row = (await render("jinja", own, ONE))["renders"][0]
        assert row["text"] == family.render(ONE[0]["messages"], True)  # type: ignore[arg-type]


async def test_nothing_that_runs_is_copied(tmp_path: Path, folder: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "auto_map": {"A": "x.py"}}))
    genai = json.loads((folder / "genai_config.json").read_text())
    genai["model"]["decoder"] = {"session_options": {"custom_ops_library": "evil.so"}}
    (folder / "genai_config.json").write_text(json.dumps(genai))
    (folder / "x.py").write_text("raise SystemExit")
    async with private_tokenizer(folder) as private:
        text = "".join(path.read_text() for path in private.iterdir())
        assert {path.name for path in private.iterdir()} == {
            "tokenizer.json",
            "tokenizer_config.json",
            "genai_config.json",
        }
    assert "evil" not in text and "auto_map" not in text
    assert not private.exists()


def test_the_jinja_file_comes_before_the_configuration(folder: Path, tmp_path: Path) -> None:
    (folder / "chat_template.jinja").write_text("JINJA")
    assert read_chat_template(folder) == "JINJA"
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_tokenizer(folder, copy)
    assert read_chat_template(copy) == "JINJA"


PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "if",
        "for",
        "m",
        "in",
        "messages",
        "content",
        "role",
        "endfor",
        "endif",
        "'",
        '"',
        "macro",
        "|",
        "trim",
        "length",
        "[",
        "]",
        "(",
        ")",
        ".",
        "+",
        "set",
        "=",
        "not",
        "-",
        "0",
        "x",
        "<|im_end|>",
        "\\",
        "\u202e",
        "\x1b",
        "é",
        "generation",
        "endgeneration",
        "namespace",
        "loop",
        "break",
        "**",
        "*",
        "99",
        "~",
        "//",
    ]
)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, max_size=25).map(" ".join) | st.text(max_size=60))
def test_any_text_compiles_or_is_a_template_error(source: str) -> None:
    """Compiled only; what compiles is rendered in a child, where limits hold."""
    try:
        compile_template(source)
    except TemplateError as error:
        assert str(error)


RENDERS = st.lists(
    st.fixed_dictionaries({"text": st.text(max_size=80)}) | st.just({"error": "no"}),
    min_size=4,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(RENDERS)
def test_no_rendering_breaks_the_cutter(renders: list[dict[str, str]]) -> None:
    try:
        fields = derive_template(renders, ["<|im_end|>", ""])
    except TemplateRefused:
        return
    assert all(text.count("{Content}") == 1 for text in fields.values())


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ 'fixed' }}", "drops the user's text"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "repeats"),
        ("{{ raise_exception('never') }}", "cannot render a question: never"),
    ],
)
async def test_a_template_that_loses_the_text_is_refused(
    folder: Path, template: str, reason: str
) -> None:
    from firstlight_core.template.parity import derive_prompt_template

    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(TemplateRefused, match=reason):
        await derive_prompt_template(folder)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (JobDied("The render process was ended.", signal="SIGXCPU"), "its time or memory"),
        (OutOfMemory("Gone."), "its time or memory"),
        (JobDied("The render process sent garbage (SIGKILL memory)."), "crashed"),
    ],
)
async def test_a_limit_is_told_by_the_signal_and_not_by_words(
    error: JobDied | OutOfMemory, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise error

    monkeypatch.setattr(rendering, "job_result", die)
    with pytest.raises(TemplateRefused, match=words):
        await rendering.render("jinja", tmp_path, [])
