"""The limits under which a chat template renders."""

import time
from pathlib import Path

import pytest

from firstlight_core.errors import TemplateRefused
from firstlight_core.jobs.chat_template import ChatTemplate
from firstlight_core.process.limits import limited
from tests.support.tiny_models import tiny_genai


def late() -> TemplateRefused:
    return TemplateRefused("It did not finish.")


def test_what_runs_too_long_is_interrupted_and_the_limits_are_lifted() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    began = time.monotonic()

    def spin() -> None:
        while time.monotonic() - began < 60:
            pass

    with pytest.raises(TemplateRefused, match="did not finish"), limited(0.1, 2**30, late):
        spin()
    assert time.monotonic() - began < 30
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.slow
def test_what_grows_too_much_is_refused() -> None:
    with pytest.raises(MemoryError), limited(5, 2**26, late):
        bytearray(2**28)
    # And afterwards there is room again.
    assert len(bytearray(2**28)) == 2**28


def test_the_template_of_a_folder(tmp_path: Path) -> None:
    folder = tiny_genai(
        tmp_path / "t", template="{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    )
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert ChatTemplate(folder).render(messages) == "[a][b]"


TAGGED = "{% for m in messages %}<s>{{ m['content'] CHANGE}}</s>{% endfor %}"
USER = [{"role": "assistant", "content": "x</s>"}, {"role": "user", "content": "a</s>b<s>"}]


def test_control_tokens_of_a_user_are_cut_and_nobody_elses(tmp_path: Path) -> None:
    conversation = ChatTemplate(tiny_genai(tmp_path / "t", template=TAGGED.replace("CHANGE", "")))
    pieces = conversation.render_spelled(USER, ["<s>", "</s>"])
    assert pieces == ["<s>x</s></s><s>a<", "/s>b<", "s></s>"]
    assert conversation.render_spelled(USER[:1], ["</s>"]) == ["<s>x</s></s>"]


@pytest.mark.parametrize("change", ["| reverse ", "| upper ", "| tojson ", "[:2] "])
def test_a_template_that_changes_the_text_is_not_cut(tmp_path: Path, change: str) -> None:
    conversation = ChatTemplate(
        tiny_genai(tmp_path / "t", template=TAGGED.replace("CHANGE", change))
    )
    result = conversation.render_spelled(USER, ["<s>", "</s>"])
    assert result is None or "".join(result) == conversation.render(USER)
