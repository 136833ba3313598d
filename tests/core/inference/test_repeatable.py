"""The same artifact, prompt and settings give the same tokens and logits, whatever was asked before."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight_core.documents import jobs_engine
from firstlight_core.inference.engine import Engine, open_engine
from firstlight_core.jobs.genai_sections import computes_head_once
from firstlight_core.jobs.prefill_plan import chunk_ends, chunk_tokens, is_repeatable, is_seeded
from firstlight_core.process.events import Token

GREEDY = {"do_sample": False}
SEEDED = {"do_sample": True, "temperature": 1.5, "random_seed": 7}
LENGTHS = (1, 2, 63, 64, 65, 66, 127, 128, 129, 130, 200)


def test_a_plan_covers_the_prompt_and_leaves_no_token_alone() -> None:
    for size in (16, 32, 64, 128):
        for count in range(1, 300):
            ends = chunk_ends(count, size)
            widths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
            assert sum(widths) == count
            assert widths == [count] or min(widths) >= 2
            assert max(widths) <= size
            assert all(width == size for width in widths[:-2])
            assert all(width % 4 == 0 for width in widths[:-1])
    assert chunk_ends(65, 64) == [60, 65]
    assert chunk_ends(129, 64) == [64, 124, 129]
    assert chunk_ends(129, 128) == [124, 129]
    assert chunk_ends(100, 64, start=30) == [94, 100]
    assert chunk_ends(95, 64, start=30) == [90, 95]


@pytest.mark.parametrize("block", [32, 64, 128])
def test_a_row_is_the_same_in_every_chunk_of_a_plan(block: int) -> None:
    """The real kernel, 576 columns as SmolLM2 has them: what a longer prompt keeps of a shorter one is what it would compute."""
    random = np.random.default_rng(3)
    tokens = random.standard_normal((128, 576)).astype(np.float32)
    run = _matrix(576, 64, block, random)
    whole = run(tokens)
    for size in (16, 32, 64, 128):
        for count in (size + 1, size + 2, size + 3):
            for start, end in pairwise([0, *chunk_ends(count, size)][:-1]):
                alone = run(tokens[start:end])
                assert np.array_equal(alone, whole[start:end]), (block, size, count)


def test_a_longer_prompt_begins_with_the_same_chunks() -> None:
    """What is kept of a shorter prompt is what the longer one would compute."""
    for count in range(2, 300):
        whole = [end for end in chunk_ends(count, 64) if end % 64 == 0]
        assert chunk_ends(count + 70, 64)[: len(whole)] == whole


def test_the_size_of_a_chunk_follows_the_model() -> None:
    def model(width: int, layers: int, vocabulary: int) -> dict[str, Any]:
        decoder = {"hidden_size": width, "num_hidden_layers": layers}
        return {"vocab_size": vocabulary, "decoder": decoder}

    for once, every, shape in (
        (128, 128, (576, 30, 49_152)),  # SmolLM2-135M
        (128, 64, (640, 18, 262_144)),  # Gemma 3 270M
        (64, 32, (896, 24, 151_936)),  # Qwen2.5-0.5B
        (16, 16, (2048, 16, 128_256)),  # Llama 3.2 1B
    ):
        assert chunk_tokens(model(*shape), head_once=True) == once
        assert chunk_tokens(model(*shape)) == every
    assert chunk_tokens({}) == chunk_tokens({"decoder": 3, "vocab_size": "x"}) == 128


def test_a_graph_says_whether_it_computes_the_head_for_every_token(tmp_path: Path) -> None:
    (tmp_path / "genai_config.json").write_text('{"model": {"decoder": {"filename": "g.onnx"}}}')
    assert not computes_head_once(tmp_path)
    (tmp_path / "g.onnx").write_bytes(b"\x12/lm_head/MatMul_Q4\x12")
    assert not computes_head_once(tmp_path)
    (tmp_path / "g.onnx").write_bytes(b"\x12/lm_head/prune/Gather\x12/lm_head/MatMul_Q4")
    assert computes_head_once(tmp_path)


def test_what_asks_for_the_same_answer_each_time() -> None:
    assert is_repeatable({}) and is_repeatable(GREEDY) and is_repeatable(SEEDED)
    assert is_repeatable({"do_sample": True, "top_k": 1})
    assert not is_repeatable({"do_sample": True, "temperature": 0.7})
    assert not is_repeatable({"do_sample": True, "random_seed": -1})
    assert is_repeatable({"do_sample": True, "random_seed": 0})
    assert is_seeded({"do_sample": True, "random_seed": 0})
    assert not is_seeded({"do_sample": False, "random_seed": 3})


def _matrix(
    columns: int, rows: int, block: int, random: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """A product with random 4-bit weights as a decoder has it, in onnxruntime with two threads."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    blocks = -(-columns // block)
    packed = random.integers(0, 256, (rows, blocks, block // 2)).astype(np.uint8)
    scales = random.random(rows * blocks).astype(np.float32)
    node = helper.make_node(
        "MatMulNBits", ["A", "B", "scales"], ["Y"], domain="com.microsoft",
        K=columns, N=rows, bits=4, block_size=block, accuracy_level=4,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "matrix",
        [helper.make_tensor_value_info("A", TensorProto.FLOAT, ["tokens", columns])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["tokens", rows])],
        [numpy_helper.from_array(packed, "B"), numpy_helper.from_array(scales, "scales")],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(
        helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString(), options
    )
    return lambda tokens: session.run(None, {"A": tokens})[0]


async def _asked(engine: Engine, ids: list[int], search: Any = GREEDY, **more: Any) -> Any:
    """Tokens of an answer, and how many were kept."""
    reply = await engine.call(
        jobs_engine.CHAT({"ids": ids, "max_tokens": 16, "search": search, "stream": False, **more})
    )
    return reply["tokens"], reply["stats"]["reused_tokens"]


async def _seen(engine: Engine, ids: list[int], search: Any = GREEDY) -> tuple[Any, ...]:
    """An answer, and the hundred likeliest tokens of its first and its fourth place with their exact probabilities."""
    tokens, _ = await _asked(engine, ids, search)
    places = []
    for spoken in (tokens[:3], []):
        document = await engine.call(
            jobs_engine.ALTERNATIVES({"ids": ids, "tokens": spoken, "count": 100})
        )
        places.append([(token["id"], token["probability"]) for token in document["alternatives"]])
    return tokens, *places


@pytest.mark.real
@pytest.mark.parametrize("precision", ["int4", "int8"])
@pytest.mark.usefixtures("loaded_jobs")
async def test_greedy_and_seeded_answers_are_the_same_each_time(
    artifact: Callable[[str], Path], precision: str
) -> None:
    folder = artifact(precision)
    async with open_engine(folder) as engine:
        text = "An int4 artifact stores its weights in blocks of 4 bits. " * 20
        base = (await engine.render([{"role": "user", "content": text}]))["ids"]
        first = {count: await _seen(engine, base[:count]) for count in LENGTHS}
        seeded = await _seen(engine, base[:90], SEEDED)
        for count in reversed(LENGTHS):
            # The same question again, directly after its answer and after others.
            assert await _seen(engine, base[:count]) == first[count], count
            assert await _seen(engine, base[:count]) == first[count], count
        # The prompt of a later turn holds the answer, which the cache has from decoding.
        tokens, _ = await _asked(engine, base[:150])
        turn = [*base[:150], *tokens, *base[10:40]]
        later, reused = await _asked(engine, turn)
        assert reused == 128
        assert (await _asked(engine, turn, fresh=True))[0] == later
        # As Foundry Local does it, and no trace of it afterwards.
        assert (await _asked(engine, base[:200], whole=True)) == (first[200][0], 0)
        assert await _seen(engine, base[:200]) == first[200]
        # After sampled answers, and with a seed.
        for count in (150, 90):
            await _asked(engine, base[:count], {"do_sample": True, "temperature": 1.5})
        assert await _seen(engine, base[:130]) == first[130]
        assert await _seen(engine, base[:90], SEEDED) == seeded
    async with open_engine(folder, max_length=512) as other:
        assert await _seen(other, base[:90], SEEDED) == seeded
        assert (await _asked(other, turn))[0] == later
        for count in (65, 129, 200):
            assert await _seen(other, base[:count]) == first[count], count


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_a_sampled_conversation_keeps_all_of_its_cache(
    artifact: Callable[[str], Path],
) -> None:
    sampled = {"do_sample": True, "temperature": 0.7}
    async with open_engine(artifact("int4")) as engine:
        ids = (await engine.render([{"role": "user", "content": "What is int4?"}]))["ids"]
        tokens, reused = await _asked(engine, ids, sampled)
        assert reused == 0
        _, reused = await _asked(engine, [*ids, *tokens, *ids], sampled)
        assert reused >= len(ids) + len(tokens) - 1


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_the_likeliest_token_of_each_place_is_the_one_a_greedy_answer_took(
    artifact: Callable[[str], Path],
) -> None:
    """Also when the answer is no longer in the cache, and in a process that never gave it."""
    async with open_engine(artifact("int4")) as engine, open_engine(artifact("int4")) as other:
        ids = (await engine.render([{"role": "user", "content": "What is int4?"}]))["ids"]
        tokens, _ = await _asked(engine, ids)

        async def places(who: Engine) -> list[Any]:
            beginnings = [tokens[:index] for index in (0, 5, 11, 1)]
            return [
                await who.call(
                    jobs_engine.ALTERNATIVES({"ids": ids, "tokens": beginning, "count": 9})
                )
                for beginning in beginnings
            ]

        seen = await places(engine)
        likeliest = [document["alternatives"][0]["id"] for document in seen]
        assert likeliest == [tokens[index] for index in (0, 5, 11, 1)]
        await _asked(engine, ids[: len(ids) // 2])
        assert await places(engine) == await places(other) == seen


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_what_happens_between_two_questions_changes_no_answer(
    artifact: Callable[[str], Path],
) -> None:
    """A cancelled answer, an edited turn, a form, a penalty, a seed of 0."""
    penalty = {"do_sample": False, "repetition_penalty": 1.4}
    zero = {"do_sample": True, "temperature": 1.3, "random_seed": 0}
    text = "An int4 artifact stores its weights in blocks of 4 bits. " * 12
    question = [{"role": "user", "content": text}]
    async with open_engine(artifact("int4")) as used, open_engine(artifact("int4")) as new:
        base = (await used.render(question))["ids"]
        tokens, _ = await _asked(used, base[:150], penalty)
        turn = [*base[:150], *tokens, *base[5:40]]
        answer, reused = await _asked(used, turn, penalty)
        assert (answer, 128) == ((await _asked(new, turn, penalty))[0], reused)

        form = {"regex": "[a-z ]{5,40}", "greedy": True, "max_tokens": 12}
        held = await used.answer(question, **form)
        await _asked(used, turn)
        again, alone = await used.answer(question, **form), await new.answer(question, **form)
        assert held["tokens"] == again["tokens"] == alone["tokens"]

        async for event in used.chat(question, greedy=True, max_tokens=200):
            if isinstance(event, Token) and event.index == 1:
                await used.cancel()
        retried = await used.answer(question, greedy=True, max_tokens=30)
        first = await new.answer(question, greedy=True, max_tokens=30)
        assert retried["tokens"] == first["tokens"]
        assert retried["stats"]["reused_tokens"] >= 128

        edited = [*base[:70], base[71], *base[71:140]]
        await _asked(used, base[:150])
        assert (await _asked(used, edited))[0] == (await _asked(new, edited))[0]

        drawn = [(await _asked(who, base[:80], zero))[0] for who in (used, used, new)]
        assert drawn[0] == drawn[1] == drawn[2]
