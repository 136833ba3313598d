"""What may be opened, and what is refused by name before any native code sees it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.target import Target, artifact_folder, find_target
from firstlight_core.errors import InputRefused, UsageError
from tests.support.tiny_models import tiny_genai, tiny_hf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_genai(tmp_path / "tiny")


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "genai_config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(json.dumps(config))


def decoder(config: dict[str, Any]) -> dict[str, Any]:
    return dict.__getitem__(config["model"], "decoder")  # type: ignore[no-any-return]


def test_a_good_folder_says_what_it_is(folder: Path) -> None:
    artifact = check_artifact(folder)
    assert (artifact.context_length, artifact.vocab_size, artifact.eos_ids) == (128, 64, (2,))
    # 2 x 1 layer x 2 heads x 4 values x 4 bytes.
    assert artifact.kv_bytes_per_token == 64
    assert artifact.bytes == sum(p.stat().st_size for p in folder.iterdir())
    assert artifact.precision is None


@pytest.mark.parametrize(
    "key",
    [
        "custom_ops_library",
        "enable_profiling",
        "session.model_external_initializers_file_folder_path",
        "ep.context_file_path",
        "anything_new",
    ],
)
def test_session_options_outside_the_allow_list_are_refused_by_name(folder: Path, key: str) -> None:
    change(folder, lambda c: decoder(c)["session_options"].update({key: "x"}))
    with pytest.raises(InputRefused, match=key) as caught:
        check_artifact(folder)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda c: c.update(session_options={"custom_ops_library": "x"}), "custom_ops_library"),
        (lambda c: decoder(c).update(run_options={"enable_profiling": "x"}), "run_options"),
        (lambda c: decoder(c).update(filename="../model.onnx"), "filename"),
        (lambda c: decoder(c).update(filename="/etc/passwd"), "filename"),
        (lambda c: decoder(c).update(filename="C:model.onnx"), "filename"),
        (lambda c: decoder(c).update(filename=7), "filename"),
        (lambda c: decoder(c).update(config_filename="a/b"), "config_filename"),
        (lambda c: decoder(c).update(pipeline=[]), "pipeline"),
        (lambda c: c["model"].update(vision={"filename": "v.onnx"}), "vision"),
        (lambda c: c["model"].update(context_length="128"), "context_length"),
        (lambda c: c["model"].update(context_length=10**30), "context_length"),
        (lambda c: c["model"].update(vocab_size=-1), "vocab_size"),
        (lambda c: c.update(model=[]), "model"),
        (lambda c: c["model"].pop("decoder"), "decoder"),
        (lambda c: decoder(c).update(session_options=[1]), "session_options"),
        (
            lambda c: decoder(c)["session_options"].update(provider_options=[{"cuda": {}}]),
            "'cuda'",
        ),
        (
            lambda c: decoder(c)["session_options"].update(
                provider_options=[{"cpu": {"backend_path": "x.so"}}]
            ),
            "provider_options",
        ),
        (
            lambda c: decoder(c).update(filename="\x1b]52;c;UFdORUQ=\x07.onnx"),
            "missing",
        ),
    ],
)
def test_hostile_and_broken_configs_get_one_clean_sentence(
    folder: Path, edit: Callable[[dict[str, Any]], object], words: str
) -> None:
    change(folder, edit)
    with pytest.raises(InputRefused) as caught:
        check_artifact(folder)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_option_cannot_hide_behind_a_key_that_stands_twice(folder: Path) -> None:
    path = folder / "genai_config.json"
    twice = '"session_options": {"custom_ops_library": "x.so"}, "session_options"'
    path.write_text(path.read_text().replace('"session_options"', twice, 1))
    with pytest.raises(InputRefused, match="stands twice"):
        check_artifact(folder)


@pytest.mark.parametrize("entries", [[{"cpu": {}}], [{"CPUExecutionProvider": {}}], []])
def test_the_cpu_provider_is_fine(folder: Path, entries: list[Any]) -> None:
    change(folder, lambda c: decoder(c)["session_options"].update(provider_options=entries))
    assert check_artifact(folder).vocab_size == 64


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "tokenizer_config.json"])
def test_an_incomplete_folder_names_the_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputRefused, match=name):
        check_artifact(folder)


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", "{", '{"model": ' * 50_000],
    ids=["empty", "null", "list", "torn", "deep"],
)
def test_a_damaged_config_is_refused(folder: Path, content: str) -> None:
    (folder / "genai_config.json").write_text(content)
    with pytest.raises(InputRefused, match=r"genai_config\.json"):
        check_artifact(folder)


def test_links_out_of_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (folder / "extra.bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputRefused, match="link that leads out"):
        check_artifact(folder)


def test_the_links_of_the_hub_cache_are_fine(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "models--x--y"
    (home / "blobs").mkdir(parents=True)
    snapshot = home / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for path in folder.iterdir():
        path.rename(home / "blobs" / path.name)
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    assert check_artifact(snapshot).vocab_size == 64


def test_a_fifo_in_the_folder_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(InputRefused, match="not a regular file"):
        check_artifact(folder)


def test_a_source_model_is_told_from_an_artifact(tmp_path: Path) -> None:
    source = tiny_hf(tmp_path / "hf")
    with pytest.raises(InputRefused, match="source model, not an artifact") as caught:
        check_artifact(source)
    assert "firstlight convert" in caught.value.hint


def test_targets(folder: Path, tmp_path: Path) -> None:
    target = find_target(str(folder))
    assert (target.kind, target.folder, target.label) == ("artifact", folder, "tiny")
    assert find_target(folder) == target
    assert find_target(target) is target
    endpoint = find_target("http://127.0.0.1:8080/v1/#phi")
    assert (endpoint.kind, endpoint.base_url, endpoint.model) == (
        "endpoint",
        "http://127.0.0.1:8080/v1",
        "phi",
    )
    with pytest.raises(UsageError, match="is a server"):
        artifact_folder(endpoint)
    for text in ("", " ", "a\0b"):
        with pytest.raises(UsageError):
            find_target(text)
    for text in ("nothing-here", "x" * 5_000):
        with pytest.raises(InputRefused, match="no folder and no deployment"):
            find_target(text)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputRefused, match="is a file"):
        find_target(str(tmp_path / "file"))


def test_a_source_by_its_name_is_told_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sample` and a model of the folder of the settings are no folders here, and yet known."""
    tiny_hf(tmp_path / "models" / "my-model")
    monkeypatch.setenv("FIRSTLIGHT_MODELS", str(tmp_path / "models"))
    for name in ("sample", "my-model"):
        with pytest.raises(InputRefused, match=f"^{name} is a source model, not an artifact"):
            find_target(name)
        with pytest.raises(InputRefused) as caught:
            find_target(name)
        assert caught.value.hint == f"Convert it first: firstlight convert {name} -o DIR"


def test_a_label_is_safe_to_show(tmp_path: Path) -> None:
    name = tmp_path / "evil\x1b]0;x\x07\u202e"
    assert Target(kind="artifact", text=str(name), folder=name).label.isprintable()
