"""Ollama: the TEMPLATE rendered by Go itself, the Modelfile read back, the weights that it will import."""

import json
import os
import random
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from firstlight_core.artifact.inference_model import build_inference_model, opening_of
from firstlight_core.environment import toolchain
from firstlight_core.errors import CheckFailed, InputRefused, TemplateRefused
from firstlight_core.exports.ollama import check_import, ollama_export, prove, runner_begins
from firstlight_core.exports.ollama_modelfile import read_modelfile, write_modelfile
from firstlight_core.exports.ollama_template import collate, default_system, go_template, render_go
from firstlight_core.exports.source_weights import SourceWeights
from firstlight_core.template.presets import PRESETS, find_preset
from firstlight_core.template.rendering import derive_prompt_template, private_tokenizer, render
from firstlight_core.template.shapes import parity_shapes
from tests.conftest import make_once
from tests.support.template_families import FAMILIES, Family, write_family

Messages = Sequence[Mapping[str, str]]
RENDERER = Path(__file__).parent / "ollama_render" / "main.go"
ASK = [{"role": "user", "content": "q"}]
HARD_FIELDS = (
    {"user": "{{x}}{Content}}}", "assistant": "{{{Content}"},
    {"user": '"{Content}""', "assistant": '"""{Content}"'},
    {"user": "{{{{{Content}{", "assistant": "{{- x -}}{Content}"},
    {"user": "a\u200b\u00a0b\r\n{Content}\U000e0041", "assistant": "\x0c{Content}"},
    {"system": "  {Content}\t", "user": "<|u|>{Content} ", "assistant": "\n{Content}"},
)


def weights_of(folder: Path, architecture: str = "LlamaForCausalLM") -> SourceWeights:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    (folder / "model.safetensors").write_bytes(b"x" * 64)
    return SourceWeights(folder=folder, bytes=64)


@pytest.fixture(scope="session")
def go_renderer(shared_folder: Path) -> Path:
    """The renderer, built once for all workers."""
    if shutil.which("go") is None:
        pytest.skip("needs Go (Debian: golang-go)")

    def build(folder: Path) -> None:
        folder.mkdir()
        environment = {**os.environ, "GOCACHE": str(folder / "cache"), "GOPROXY": "off"}
        command = ["go", "build", "-o", str(folder / "render"), str(RENDERER)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == 0, done.stderr

    return make_once(shared_folder / "ollama-render", build) / "render"


def render_in_go(renderer: Path, cases: Sequence[tuple[str, Messages]]) -> list[dict[str, str]]:
    requests = [{"template": template, "messages": list(messages)} for template, messages in cases]
    done = subprocess.run(
        [str(renderer)], input=json.dumps(requests), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, str]] = json.loads(done.stdout)
    return answers


def conversations(seed: int) -> list[list[dict[str, str]]]:
    """Random ones beside the lock's: any order of roles, empty and hostile contents."""
    chance = random.Random(seed)
    texts = ("", "q", "{{ .System }}", '"""', "\\n{{- end }}", "é🙂\u200b", "<|im_end|>", " \n")
    roles = ("system", "user", "assistant")
    made = [
        [
            {"role": chance.choice(roles), "content": chance.choice(texts)}
            for _ in range(chance.randrange(1, 6))
        ]
        for _ in range(20)
    ]
    return made + [list(map(dict, shape.messages)) for shape in parity_shapes(("<|im_end|>",))]


def random_fields(count: int) -> list[dict[str, str]]:
    """PromptTemplates of what breaks writers: braces, quotes, trim marks, backslashes, what nobody sees."""
    chance = random.Random(11)
    bits = ("{", "}", "{{", "}}", '"', '""', "-", "{{- ", " -}}", " ", "\n", "\t", "\r", "\\")
    bits += (
        "x",
        "<|a|>",
        "`",
        "'",
        "🙂",
        "\u200b",
        "\u2028",
        "\x00",
        "\x7f",
        "\U000e0041",
        "<s>",
        "#",
    )

    def text() -> str:
        return "".join(chance.choice(bits) for _ in range(chance.randrange(6)))

    return [
        {key: f"{text()}{{Content}}{text()}" for key in ("system", "user", "assistant", "prompt")}
        for _ in range(count)
    ]


def test_a_modelfile_is_read_back_as_it_was_meant() -> None:
    for fields in [*HARD_FIELDS, *random_fields(400)]:
        try:
            text = write_modelfile(
                Path("/w x"), build_inference_model("a", fields), stops=["<|a|>"]
            )
        except TemplateRefused:
            # A default system prompt of characters that SYSTEM cannot carry.
            assert default_system(fields) is not None
            continue
        parsed = dict(read_modelfile(text))
        assert parsed["template"] == go_template(fields)
        assert (
            parsed["from"] == "/w x"
            and parsed["stop"] == "<|a|>"
            and parsed["temperature"] == "0.7"
        )
        assert parsed.get("system") == default_system(fields)


def test_our_renderer_says_what_go_says(go_renderer: Path) -> None:
    fields = [preset.prompt_template for preset in PRESETS] + [*HARD_FIELDS, *random_fields(60)]
    cases = [
        (go_template(template, begin="<s>", merged=bool(number % 2)), messages)
        for number, template in enumerate([*fields, *fields[::-1]])
        for messages in conversations(number)
    ]
    for (template, messages), rendering in zip(
        cases, render_in_go(go_renderer, cases), strict=True
    ):
        assert rendering == {"text": render_go(template, messages)}, (template, messages)


async def test_go_says_what_the_chat_templates_of_the_families_say(
    go_renderer: Path, tmp_path: Path
) -> None:
    cases: list[tuple[str, Messages]] = []
    wanted: list[str] = []
    for key in ("qwen2.5", "phi-3", "llama-3", "mistral"):
        family = next(f for f in FAMILIES if f.key == key)
        folder = write_family(tmp_path / key, family)
        fields = await derive_prompt_template(folder)
        system = default_system(fields)
        shapes = [shape for shape in parity_shapes(family.special) if shape.generate]
        async with private_tokenizer(folder) as tokenizer:
            drawn = (await render("jinja", tokenizer, [s.to_json() for s in shapes]))["renders"]
        for shape, rendering in zip(shapes, drawn, strict=True):
            messages = [dict(message) for message in shape.messages]
            if system is not None and messages[0]["role"] != "system":
                messages.insert(0, {"role": "system", "content": system})
            go = go_template(fields, begin=family.bos)
            if "text" in rendering and render_go(go, messages) == rendering["text"]:
                cases.append((go, messages))
                wanted.append(rendering["text"])
    assert len(cases) >= 24
    assert [rendering.get("text") for rendering in render_in_go(go_renderer, cases)] == wanted


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)
def test_go_templates_say_what_the_fields_say(preset: Any) -> None:
    fields = preset.prompt_template
    messages = [
        {"role": "user", "content": "{{ .System }} \\ \" 'q'"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b"},
    ]
    user = fields["user"].partition("{Content}")[0]
    expected = fields["prompt"].partition("{Content}")[0].removesuffix(user)
    expected += "".join(fields[m["role"]].replace("{Content}", m["content"]) for m in messages)
    expected += opening_of(fields)
    assert fields["prompt"].endswith(opening_of(fields))
    assert render_go(go_template(fields), messages) == expected


@pytest.mark.parametrize("fields", HARD_FIELDS)
def test_braces_quotes_and_invisible_characters_survive(fields: dict[str, str]) -> None:
    expected = fields["user"].replace("{Content}", "q") + opening_of(fields)
    assert render_go(go_template(fields), ASK) == expected
    text = write_modelfile(Path("/w"), build_inference_model("a", fields))
    assert render_go(dict(read_modelfile(text))["template"], ASK) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Prompt }}",
        "{{ range .Messages }}{{ .Tools }}{{ end }}{{ end }}",
        "{{ range $i, $_ := .Messages }}{{ .Tools }}{{ end }}",
        "{{ range $i, $_ := .Messages }}{{ if .Tools }}{{ end }}{{ end }}",
        "{{ range $i, $_ := .Messages }}{{ .Content }}",
        '{{ range $i, $_ := .Messages }}{{ "x" }}{{ end }}',
        "{{ .Content }}",
        "{{ end }}",
    ],
)
def test_a_template_of_another_kind_is_not_pretended_to_be_known(template: str) -> None:
    with pytest.raises(TemplateRefused):
        render_go(template, ASK)


def test_neighbours_of_one_role_are_one_message() -> None:
    messages = [{"role": "user", "content": c} for c in "ab"] + [{"role": "system", "content": "c"}]
    assert [m["content"] for m in collate(messages)] == ["a\n\nb", "c"]
    assert messages[0]["content"] == "a"


async def test_a_default_system_prompt_becomes_ollamas(tmp_path: Path) -> None:
    family = next(f for f in FAMILIES if f.key == "qwen2.5")
    fields = await derive_prompt_template(write_family(tmp_path / "qwen", family))
    system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    assert default_system(fields) == system
    assert default_system(find_preset("chatml").prompt_template) is None
    text = write_modelfile(
        Path("/my weights"),
        build_inference_model("a", fields),
        stops=["<|im_end|>"],
        context=1024,
        licence='Terms\x0c of """use"""',
    )
    parsed = dict(read_modelfile(text))
    assert parsed["from"] == "/my weights" and parsed["system"] == system
    assert parsed["stop"] == "<|im_end|>" and parsed["num_ctx"] == "1024"
    assert parsed["repeat_penalty"] == "1.1" and parsed["license"] == 'Terms of "use"'
    # SYSTEM is a plain text for Ollama: what looks like an action stays as it is.
    braces = {key: field.replace("Qwen,", "{{ Qwen }},") for key, field in fields.items()}
    text = write_modelfile(Path("/w"), build_inference_model("a", braces))
    assert dict(read_modelfile(text))["system"] == system.replace("Qwen,", "{{ Qwen }},")


@pytest.mark.parametrize("path", ["/a\nSYSTEM evil", '/a"b', "/a ", "/a\u200bb"])
def test_a_path_that_a_modelfile_cannot_carry_is_refused(path: str) -> None:
    with pytest.raises(InputRefused, match="cannot carry the path"):
        write_modelfile(Path(path), build_inference_model("a", HARD_FIELDS[0]))


@pytest.mark.parametrize("text", ["RUN rm", 'FROM /w\nTEMPLATE """a'])
def test_what_ollama_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(TemplateRefused):
        assert dict(read_modelfile(text))["template"]


@pytest.mark.slow
@pytest.mark.parametrize("key", ["qwen2.5", "phi-3", "llama-3", "mistral"])
async def test_the_families_are_proven_at_generation(tmp_path: Path, key: str) -> None:
    family = next(f for f in FAMILIES if f.key == key)
    folder = write_family(tmp_path / key, family)
    fields = await derive_prompt_template(folder)
    weights = weights_of(tmp_path / "weights")
    text, notes = await ollama_export(folder, weights, build_inference_model("a", fields))
    agreed, all_of_them = (int(notes[0].split()[index]) for index in (5, 7))
    differing = [note for note in notes if note.startswith("It differs for")]
    assert agreed >= 5 and agreed + len(differing) == all_of_them
    assert text.splitlines()[1] == f"FROM {weights.folder}"


async def test_a_template_that_says_something_else_fails_the_proof(tmp_path: Path) -> None:
    family: Family = FAMILIES[0]
    folder = write_family(tmp_path / "family", family)
    fields = dict(await derive_prompt_template(folder))
    fields["user"] = "Somebody: " + fields["user"]
    text = write_modelfile(Path("/w"), build_inference_model("a", fields))
    with pytest.raises(CheckFailed, match="not even for one question") as caught:
        await prove(folder, text)
    assert "Somebody" in (caught.value.detail or "")


@pytest.mark.slow
async def test_the_begin_token_stands_once(tmp_path: Path) -> None:
    family = next(f for f in FAMILIES if f.key == "llama-3")
    folder = write_family(tmp_path / "family", family)
    document = build_inference_model("a", await derive_prompt_template(folder))
    weights = weights_of(tmp_path / "weights")
    settings = tmp_path / "weights" / "tokenizer_config.json"
    notes = {}
    for adds_bos in (True, False, None):
        settings.write_text(json.dumps({} if adds_bos is None else {"add_bos_token": adds_bos}))
        assert runner_begins(weights) is bool(adds_bos)
        text, notes[adds_bos] = await ollama_export(folder, weights, document)
        # What the runner adds is not in the TEMPLATE; everything else is, before the first turn.
        assert text.count(family.bos) == (0 if adds_bos else 1)
    assert notes[True] == notes[False] == notes[None]
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert runner_begins(SourceWeights(folder=tmp_path / "m.gguf"))


def test_what_makes_a_gguf_is_installed_by_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["gguf"]
    requires = [f'{text}; extra == "gguf"' for text in extra]
    monkeypatch.setattr(toolchain.metadata, "requires", lambda _: requires)
    toolchain.install_line.cache_clear()
    try:
        _, note = check_import(weights_of(tmp_path), find=lambda name: name != "gguf" or None)
    finally:
        toolchain.install_line.cache_clear()
    for text in extra:
        assert Requirement(text).name in note
    assert "pip install" in note and "firstlight" not in note and "\n" not in note
    assert len(check_import(weights_of(tmp_path), find=lambda _: True)) == 1


def test_weights_that_ollama_will_not_import_are_refused(tmp_path: Path) -> None:
    (note,) = check_import(weights_of(tmp_path / "llama"), find=lambda _: True)
    assert "Apple silicon only" in note and "--source FILE.gguf" in note
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert check_import(SourceWeights(folder=tmp_path / "m.gguf")) == []
    qwen = weights_of(tmp_path / "qwen", "Qwen2ForCausalLM")
    with pytest.raises(InputRefused, match="no adapters any more") as caught:
        check_import(SourceWeights(folder=qwen.folder, adapter=tmp_path))
    assert "FILE.gguf" in caught.value.hint
    named = weights_of(tmp_path / "named")
    (named.folder / "model.safetensors").rename(named.folder / "weights.safetensors")
    with pytest.raises(InputRefused, match=r"model\*\.safetensors"):
        check_import(named)
    linked = weights_of(tmp_path / "linked")
    (linked.folder / "model.safetensors").rename(tmp_path / "blob")
    (linked.folder / "model.safetensors").symlink_to(tmp_path / "blob")
    with pytest.raises(InputRefused, match="links out of their folder"):
        check_import(linked)
