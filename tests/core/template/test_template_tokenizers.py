"""Whose the difference is when tokens differ and texts do not: the runtime's tokenizer, or transformers' reading of the file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from firstlight_core.template.family import family_chat_template
from firstlight_core.template.parity import check_template
from firstlight_core.template.presets import find_preset
from firstlight_core.template.repair import repair_template
from tests.support.template_families import FAMILIES, write_family

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("loaded_jobs")]

CHATML = replace(
    next(family for family in FAMILIES if family.key == "qwen3"),
    template=family_chat_template(find_preset("chatml")),
)
MARK = "▁"


def like_sentencepiece(folder: Path) -> Path:
    """A tokenizer of bytes behind a space mark, as SentencePiece models become fast ones under transformers 4."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    specials = [token["content"] for token in tokenizer["added_tokens"]]
    letters = [chr(code) for code in range(33, 127)]
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), MARK, *letters, *specials]
    tokenizer["added_tokens"] = [
        {**token, "id": pieces.index(token["content"])} for token in tokenizer["added_tokens"]
    ]
    tokenizer["normalizer"] = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": MARK},
            {"type": "Replace", "pattern": {"String": " "}, "content": MARK},
        ],
    }
    tokenizer["pre_tokenizer"] = None
    tokenizer["decoder"] = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": MARK}, "content": " "},
            *({"type": name} for name in ("ByteFallback", "Fuse")),
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    }
    tokenizer["model"] |= {
        **{"unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True},
        "vocab": {piece: number for number, piece in enumerate(pieces)},
    }
    path.write_text(json.dumps(tokenizer))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"tokenizer_class": "LlamaTokenizer", "legacy": False, "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    genai = json.loads((folder / "genai_config.json").read_text())
    genai["model"] |= {
        "eos_token_id": [pieces.index(CHATML.end)],
        "vocab_size": len(pieces),
        "bos_token_id": pieces.index(CHATML.end),
        "pad_token_id": 0,
    }
    (folder / "genai_config.json").write_text(json.dumps(genai))
    return folder


async def test_a_runtime_that_follows_the_file_is_said_and_passes(tmp_path: Path) -> None:
    folder = like_sentencepiece(write_family(tmp_path / "sp", CHATML))
    document = await check_template(folder)
    assert {difference["cause"] for difference in document["differences"]} == {"file"}
    assert document["locked"] and document["verdict"] == "match-with-exceptions"
    assert "single" in document["exceptions"]
    assert any("as transformers 4 did" in note for note in document["notes"])
    (folder / "config.json").write_text(json.dumps({"transformers_version": "4.46.0"}))
    assert (await check_template(folder))["locked"]
    # What transformers 5 saved was trained with its reading of the file.
    (folder / "config.json").write_text(json.dumps({"transformers_version": "5.23.0"}))
    trained = await check_template(folder)
    assert not trained["locked"]
    assert {difference["cause"] for difference in trained["differences"]} == {"tokenizer"}
    assert "onnxruntime-genai's tokenizer adds" in trained["sentence"]


async def test_accents_are_the_tokenizers_and_no_template_is_to_blame(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "nfc", CHATML)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "NFC"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    document = await check_template(folder)
    assert document["ok"] and document["exceptions"] == ["decomposed"]
    assert {difference["cause"] for difference in document["differences"]} == {"tokenizer"}
    assert "accents as separate characters" in document["sentence"]
    row = {row["id"]: row for row in document["shapes"]}["decomposed"]
    assert row["genai"] == "differs" and row["causes"] == ["tokenizer"]
    assert row["prompt_template"] == "same", "the same text, in the same tokenizer"
    assert (await repair_template(folder))["ok"]


@pytest.mark.slow
async def test_what_a_template_can_mend_is_never_an_exception(tmp_path: Path) -> None:
    """Reasoning that is cut from history (`'</think>' in content`) in an NFC tokenizer: Qwen3's two faults at once."""
    family = next(family for family in FAMILIES if family.key == "qwen3")
    folder = write_family(tmp_path / "qwen3", family)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "NFC"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    before = await check_template(folder)
    assert not before["locked"] and before["verdict"] == "mismatch"
    mended = await repair_template(folder)
    assert mended["ok"] and mended["verdict"] == "match-with-exceptions"
    assert mended["exceptions"] == ["decomposed"]


async def test_a_rewrite_that_repairs_nothing_is_not_offered(tmp_path: Path) -> None:
    """`|trim` keeps a no-break space in onnxruntime-genai; that another branch could be rewritten mends nothing."""
    template = CHATML.template.replace("message['content']", "message['content'] | trim")
    unused = "{% if never %}{{ messages[0]['content'].replace('a', 'b') }}{% endif %}"
    folder = write_family(tmp_path / "nbsp", replace(CHATML, template=unused + template))
    document = await check_template(folder)
    assert document["rewritten_template"] is None
    assert document["ok"] and document["exceptions"] == ["no-break-space"]
    (cause,) = {difference["cause"] for difference in document["differences"]}
    assert cause == "renderer"
    # A byte is a token here, and half a character has no text to show.
    assert "adds tokens 194, 160 after `user`" in document["differences"][0]["sentence"]
