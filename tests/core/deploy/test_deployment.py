"""Deploying for real: Foundry Local lists, loads, answers; and what happens when it cannot."""

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.model_caches import ModelCache, known_caches, remember
from firstlight_core.artifact.publishing import read_manifest, sha256_of
from firstlight_core.deploy.deployment import deploy, find_deployment, list_deployments, undo
from firstlight_core.errors import (
    FirstlightError,
    InputRefused,
    StateProblem,
    TemplateRefused,
    UsageError,
)
from firstlight_core.foundry.cli import find_foundry_cli
from firstlight_core.foundry.cli_cache import find_cache, move_cache
from firstlight_core.foundry.readers import choose_cache, seen_by
from firstlight_core.foundry.runtime import open_foundry
from firstlight_core.foundry.service import open_service, snippets
from firstlight_core.foundry.visibility import examine
from firstlight_core.paths import find_paths
from firstlight_core.session import Session
from firstlight_core.workflow.leftovers import find_leftovers, remove_leftovers
from firstlight_core.workflow.plan import plan_of
from firstlight_core.workflow.run_file import read_run_toml, write_plan
from tests.support import faultkit
from tests.support.documents import published
from tests.support.fake_foundry import environment, fake_foundry
from tests.support.tiny_models import tiny_genai

ANSWER = "int4 stores each weight in 4 bits"


def left_behind() -> list[str]:
    """What a failed or undone deployment may not leave: anything but logs and Foundry Local's own index."""
    data = find_paths().data
    allowed = ("foundry.local.modelinfo.json", "foundry.local.modelinfo.lock")
    return [
        str(path.relative_to(data))
        for path in data.rglob("*")
        if path.is_file() and path.suffix != ".log" and path.name not in allowed
    ]


async def registered() -> list[str]:
    async with open_foundry() as job:
        return [model["id"] for model in (await job.request("list"))["models"]]


@pytest.mark.real
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.usefixtures("clean_children")
async def test_a_deployment_answers_and_goes_without_a_trace(
    artifact: Callable[[str], Path],
) -> None:
    folder = artifact("int4")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    document = await deploy(folder, "sample-int4")
    assert document["verified"] and document["ok"]
    assert document["id"] == "sample-int4:1" and ANSWER in document["answer"]
    assert document["answer"] == document["artifact_answer"]
    output = Path(document["path"])
    assert output == find_paths().models / "custom" / "sample-int4"
    for path in output.iterdir():
        assert path.stat().st_nlink == 1 and stat.S_ISREG(path.lstat().st_mode)
    assert json.loads((output / "inference_model.json").read_text())["Name"] == "sample-int4"
    manifest = read_manifest(output)
    assert manifest is not None and set(manifest["files"]) == {p.name for p in output.iterdir()} - {
        "firstlight.json"
    }
    assert list(faultkit.foundry_sees(str(find_paths().models))) == ["sample-int4:0"]
    assert document["folder_drop"]["listed"] and document["folder_drop"]["id"] == "sample-int4:0"
    deployment = find_deployment("sample-int4")
    assert deployment is not None and deployment.path == output and deployment.precision == "int4"
    assert [d.name for d in list_deployments()] == ["sample-int4"]
    assert await registered() == ["sample-int4:1"]
    removed = await undo("sample-int4")
    assert removed["removed"] == ["sample-int4:1", str(output)]
    assert left_behind() == [] and await registered() == []
    assert find_deployment("sample-int4") is None and not find_paths().models.exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.real
@pytest.mark.parametrize("target", ["folder", "bundle"])
async def test_the_two_files_of_a_deployment_say_the_same(tmp_path: Path, target: str) -> None:
    """Nobody settled a template: the course's values are written, in both files, as far as the context goes."""
    folder = tiny_genai(tmp_path / "foreign")
    (folder / "inference_model.json").unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    document = await deploy(folder, "mine", target=target)
    file = Path(document["path"])
    if target == "bundle":
        with zipfile.ZipFile(file) as archive:
            archive.extractall(tmp_path / "unpacked")
        file = tmp_path / "unpacked" / "model"
        assert '("max_length", 128)' in (file.parent / "Program.cs").read_text()
    config = json.loads((file / "inference_model.json").read_text())["ModelConfig"]
    search = json.loads((file / "genai_config.json").read_text())["search"]
    assert config == document["model_config"]
    assert config == {key: search[key] for key in config}
    assert config["max_length"] == 128 and search["do_sample"] is True
    manifest = read_manifest(file)
    assert manifest is not None and "proven" not in manifest.get("deployment", {})
    known = manifest["files"]["genai_config.json"]["sha256"]
    assert known == sha256_of(file / "genai_config.json")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_a_taken_name_is_refused_and_replaced_on_request(own_artifact: Path) -> None:
    await deploy(own_artifact, "a", target="folder")
    for name in ("a", "A"):
        with pytest.raises(InputRefused, match="The name a is taken"):
            await deploy(own_artifact, name)
    assert find_deployment("a").target == "folder"  # type: ignore[union-attr]
    assert (await deploy(own_artifact, "a", replace=True))["id"] == "a:1"
    assert (await deploy(own_artifact, "a", replace=True))["id"] == "a:2"
    assert await registered() == ["a:2"]
    await undo("a")
    assert left_behind() == [] and await registered() == []


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_what_a_killed_deployment_left_is_replaced(own_artifact: Path) -> None:
    await deploy(own_artifact, "a")
    output = find_paths().models / "custom" / "a"
    manifest = json.loads((output / "firstlight.json").read_text())
    assert manifest["deployment"]["proven"] is True
    assert manifest["deployment"]["verified"] is True
    manifest["deployment"]["proven"] = False
    (output / "firstlight.json").write_text(json.dumps(manifest))
    assert not list_deployments()[0].proven
    document = await deploy(own_artifact, "a")
    assert document["verified"] and document["id"] == "a:2" and await registered() == ["a:2"]
    assert list_deployments()[0].proven


def break_index(version: int) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        index = find_paths().foundry / "cache" / "models" / "foundry.local.modelinfo.json"
        index.parent.mkdir(parents=True)
        index.write_text(json.dumps({"catalog_name": "local", "models": [], "version": version}))

    return spoil


def block_foundry(folder: Path) -> None:
    find_paths().data.mkdir(parents=True)
    find_paths().foundry.write_text("a file where a folder belongs")


def truncate(folder: Path) -> None:
    (folder / "model.onnx.data").write_bytes(b"short")


def flip(folder: Path) -> None:
    raw = bytearray((folder / "model.onnx.data").read_bytes())
    raw[5000] ^= 1
    (folder / "model.onnx.data").write_bytes(raw)


@pytest.mark.real
@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (lambda f: (f / "chat_template.jinja").unlink(), TemplateRefused, "no chat template"),
        (
            lambda f: (f / "chat_template.jinja").write_text("{{ 1 }}"),
            TemplateRefused,
            "drops the user's text",
        ),
        (truncate, InputRefused, "5 bytes instead of"),
        (flip, InputRefused, "other content, same size"),
        (lambda f: (f / "config.json").unlink(), InputRefused, "has lost its file config.json"),
        (lambda f: (f / "tokenizer.json").unlink(), InputRefused, "tokenizer.json is missing"),
        (lambda f: (f / "genai_config.json").unlink(), InputRefused, "genai_config.json"),
        (break_index(99), StateProblem, "written by a newer version"),
        (block_foundry, StateProblem, "Cannot write"),
    ],
    ids=[
        "no-template",
        "bad-template",
        "truncated",
        "flipped",
        "lost",
        "tokenizer",
        "config",
        "newer-index",
        "folder",
    ],
)
@pytest.mark.usefixtures("loaded_jobs", "clean_children")
async def test_a_failure_is_one_sentence_and_leaves_nothing(
    own_artifact: Path, spoil: Callable[[Path], Any], kind: type[FirstlightError], message: str
) -> None:
    spoil(own_artifact)
    with pytest.raises(kind) as caught:
        await deploy(own_artifact, "a")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.hint or message == "drops the user's text"
    assert [name for name in left_behind() if name != "foundry"] == []


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("a b", "foundry", "cannot be the name"),
        ("../a", "folder", "cannot be the name"),
        ("x-cuda-gpu", "folder", "demand that hardware"),
        ("a", "cloud", "no target 'cloud'"),
    ],
)
async def test_bad_words_are_usage_errors(
    tmp_path: Path, name: str, target: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        await deploy(tmp_path, name, target=target)


async def test_undo_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no deployment 'a'"):
        await undo("a")
    foreign = find_paths().models / "custom" / "mine"
    foreign.mkdir(parents=True)
    (foreign / "photo.jpg").write_text("x")
    with pytest.raises(InputRefused, match="no deployment 'mine'"):
        await undo("mine")
    assert (foreign / "photo.jpg").exists()


@pytest.mark.real
@pytest.mark.usefixtures("clean_children")
async def test_a_folder_is_served_without_a_trace(own_artifact: Path) -> None:
    from openai import AsyncOpenAI

    async with (
        open_service(str(own_artifact)) as service,
        AsyncOpenAI(base_url=service.base_url, api_key="x", max_retries=0) as client,
    ):
        models = [model.id async for model in client.models.list()]
        assert models == [service.model]
        answer = await client.chat.completions.create(
            model=service.model,
            max_tokens=40,
            temperature=0,
            messages=[{"role": "user", "content": "What is int4 quantization?"}],
        )
        assert ANSWER in str(answer.choices[0].message.content)
        assert service.base_url in snippets(service.base_url, service.model)["curl"]
    assert left_behind() == []


# Caches -----------------------------------------------------------------------------------------------


async def registered_in(cache: ModelCache) -> list[str]:
    async with open_foundry(cache=cache) as job:
        return [model["id"] for model in (await job.request("list"))["models"]]


@pytest.mark.real
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.usefixtures("loaded_jobs", "clean_children")
async def test_a_deployment_in_the_foundry_commands_cache(
    own_artifact: Path, own_home: Path
) -> None:
    root = own_home / ".foundry" / "cache" / "models"
    document = await deploy(own_artifact, "a", cache="foundry")
    assert document["verified"] and document["cache"] == "foundry"
    assert Path(document["path"]) == root / "custom" / "a"
    assert list(faultkit.foundry_sees(str(root))) == ["a:0"]
    seen = {row["reader"]: row["sees"] for row in document["seen_by"]}
    assert seen["foundry CLI up to 0.8 (cores up to 2.0)"] and seen["foundry CLI 0.12 and later"]
    assert not any("cache cd" in row["command"] for row in document["commands"])
    deployment = find_deployment("a")
    assert (
        deployment is not None
        and deployment.home.id == "foundry"
        and deployment.to_json()["cache"] == "foundry"
    )
    assert await registered_in(deployment.home) == ["a:1"] and await registered() == []
    async with open_service("a") as service:
        assert service.model == "a:1"
    # One name is one deployment, wherever it stands.
    with pytest.raises(InputRefused, match="The name a is taken in"):
        await deploy(own_artifact, "A", target="folder", replace=True)
    assert (await examine("a"))["ok"] and (await examine("a"))["cache"] == "foundry"
    await undo("a")
    assert await registered_in(deployment.home) == [] and list_deployments() == []
    assert {path.name for path in (own_home / ".foundry").rglob("*")} == {
        "cache",
        "models",
        "foundry.local.modelinfo.json",
        "foundry.local.modelinfo.lock",
    }


async def test_the_caches_and_who_finds_a_model_there(tmp_path: Path, own_home: Path) -> None:
    path = tmp_path / "of the cli"
    environ = environment(fake_foundry(tmp_path / "bin", "0.8", cache=path))
    cli = await find_foundry_cli(environ)
    private, foundry = await choose_cache("private"), await choose_cache("foundry", environ)
    assert (foundry.root, foundry.index) == (path, path)
    assert (await choose_cache("foundry", {"PATH": ""})).root == own_home / ".foundry/cache/models"
    old = {row.reader: row for row in seen_by(private, cli)}[
        "foundry CLI up to 0.8 (cores up to 2.0)"
    ]
    assert old.here and not old.sees and str(find_paths().models) in old.why
    assert all(row.sees for row in seen_by(foundry, cli) if row.here)
    assert path not in [cache.root for cache in known_caches()]
    remember(foundry)
    assert path in [cache.root for cache in known_caches()]
    # When the CLI's cache has been moved to Firstlight's folder, there is one cache.
    await move_cache(find_paths().models, environ=environ)
    assert (await choose_cache("foundry", environ)).id == "private"
    moved = {row.reader: row for row in seen_by(private, cli, await find_cache(environ))}
    assert moved[old.reader].sees
    with pytest.raises(UsageError, match="no cache 'cloud'"):
        await choose_cache("cloud")


def test_what_a_killed_deployment_left_beside_a_cache_is_found(
    tmp_path: Path, own_home: Path
) -> None:
    remember(ModelCache(id="foundry", root=tmp_path / "cli" / "models", index=tmp_path))
    for parent in (find_paths().data, own_home / ".foundry" / "cache", tmp_path / "cli"):
        (parent / ".firstlight-a-0123abcd" / "artifact").mkdir(parents=True)
        (parent / ".firstlight-a-0123abcd" / "artifact" / "half").write_bytes(b"x" * 100)
        (parent / ".firstlight-a-0123abcd" / "lock").touch()
    listed = [item for item in find_leftovers() if item.kind == "staging"]
    assert len(listed) == 3 and remove_leftovers(listed) == listed


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_the_doctor_tells_both_roads_apart(own_artifact: Path, tmp_path: Path) -> None:
    assert (await examine())["folders"] == []
    await deploy(own_artifact, "listed")
    await deploy(own_artifact, "scanned", target="folder")
    hidden = Path((await deploy(own_artifact, "hidden"))["path"])
    (hidden / "download.tmp").touch()
    document = await examine()
    listed = {Path(row["folder"]).name: row["listed"] for row in document["folders"]}
    assert listed == {"listed": True, "scanned": True, "hidden": False}
    assert {row["id"]: row["there"] for row in document["registered"]} == {
        "listed:1": True,
        "hidden:1": True,
    }
    assert (await examine("hidden"))["ok"]
    assert (await examine("scanned"))["registered"] == []
    nothing = await examine("nothing")
    assert not nothing["ok"] and nothing["folders"][0]["reasons"] == ["There is no such folder."]
    break_index_of = find_paths().foundry / "cache" / "models" / "foundry.local.modelinfo.json"
    break_index_of.write_text('{"catalog_name": "local", "models": [], "version": 99}')
    assert "newer version" in (await examine())["registered_problem"]


def test_a_walk_that_is_repeated_deploys_into_the_same_cache(tmp_path: Path) -> None:
    session = Session().decide(artifact=str(tmp_path), deployment=published("a", cache="foundry"))
    path = write_plan(tmp_path / "run.toml", plan_of(session))
    choice = read_run_toml(path).deploy
    assert choice is not None and (choice.target, choice.cache) == ("folder", "foundry")
    path.write_text(path.read_text().replace('"foundry"', '"cloud"'))
    with pytest.raises(FirstlightError, match=r"`deploy\.cache` must be one of: private, foundry"):
        read_run_toml(path)
