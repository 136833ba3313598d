"""The gate on real builds of tiny models: honest ones pass at every precision, planted faults do not."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight_core.model.structure_lengths import Lengths, read_lengths
from firstlight_core.process.offline import child_environment

ROOT = Path(__file__).parents[3]


SERVE = """
import json, sys
from pathlib import Path
from bench import gate_builds
from firstlight_core.conversion.verdict import decide
gate_builds.environment()
gate_builds.warm_up()
tools = {**vars(gate_builds), "json": json, "Path": Path, "decide": decide}
for line in sys.stdin:
    program, folder = json.loads(line)
    exec(program, {**tools, "root": Path(folder)})
    print("END", flush=True)
"""


@pytest.fixture(scope="module")
def builds() -> Iterator[subprocess.Popen[str]]:
    """A process with `bench.gate_builds` that runs one program after another: loading its libraries takes the longest."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=ROOT,
        env={**child_environment(), "PYTHONSAFEPATH": "", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def held(builds: subprocess.Popen[str], program: str, folder: Path) -> Any:
    """Run a program in that process, and read what it prints last."""
    assert builds.stdin and builds.stdout
    builds.stdin.write(json.dumps([program, str(folder)]) + "\n")
    builds.stdin.flush()
    lines: list[str] = []
    for line in builds.stdout:
        if line == "END\n":
            return json.loads(lines[-1])
        lines.append(line)
    pytest.fail("The process has ended; its traceback stands in what the test wrote.")


HONEST = """
told = {}
for kind, more in (("qwen2", {}), ("gemma3_text", {"tie_word_embeddings": True})):
    bench = Bench(save(root / kind, tiny_model(kind, **more)), root / (kind + "-y"))
    for precision in ("fp32", "fp16", "int8", "int4", "int4-compact", "int4-quality"):
        passed, asked = bench.hold(build(bench.source, root / kind / precision / "artifact", precision))
        judged = decide(passed, asked)
        told[f"{kind} {precision}"] = [judged.fault, judged.proof["level"], asked["reference"]["covered"]]
print(json.dumps(told))
"""
FAULTY = """
from bench.gate_faults import SOURCE, damaged_copies
import copy
told = {}
model = tiny_model("qwen2")
bench = Bench(save(root / "source", model), root / "y")
for number, change in enumerate(SOURCE):
    wrong = copy.deepcopy(model)
    if change(wrong):
        artifact = build(save(root / "wrong", wrong), root / change.__name__ / "artifact", "int4")
        told[change.__name__] = decide(*bench.hold(artifact)).fault
honest = build(bench.source, root / "honest" / "artifact", "int4")
for name, artifact in damaged_copies(honest, root / "damaged"):
    told[name] = decide(*bench.hold(artifact)).fault
(honest / "tokenizer.json").write_text((honest / "tokenizer.json").read_text().replace('"What"', '"thaW"'))
told["honest"] = decide(*bench.hold(honest)).fault
print(json.dumps(told))
"""

REPORTED = """
import torch
from bench.gate_faults import head_from_table, rope_type_dropped
import copy
told = {}
linear = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
for name, vocab in (("02 rope", 320), ("02b rope, large vocabulary", 8000)):
    model = tiny_model("llama", vocab=vocab, rope_parameters=linear)
    bench = Bench(save(root / name / "source", model), root / name / "y")
    rope_type_dropped(model)
    for precision in ("fp32", "int4"):
        wrong = build(save(root / name / "wrong", model), root / name / precision / "artifact", precision)
        told[f"{name} {precision}"] = decide(*bench.hold(wrong)).fault
# A configuration that says tied beside a head of its own: the builder once tied it.
model = tiny_model("qwen2")
source = save(root / "01" / "source", model)
config = json.loads((source / "config.json").read_text())
(source / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
bench = Bench(source, root / "01" / "y")
head_from_table(model)
for precision in ("fp32", "int8"):
    wrong = build(save(root / "01" / "wrong", model), root / "01" / precision / "artifact", precision)
    told[f"01 own head {precision}"] = decide(*bench.hold(wrong)).fault
# An adapter on the embedding of a tied base, merged in place: the head moves along.
from peft import LoraConfig, PeftModel, get_peft_model
base = save(root / "41" / "base", tiny_model("qwen2", tie_word_embeddings=True))
model = tiny_model("qwen2", tie_word_embeddings=True)
adapter = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "embed_tokens"], task_type="CAUSAL_LM"))
torch.manual_seed(1)
for name, weight in adapter.named_parameters():
    if "lora" in name:
        weight.data = torch.randn_like(weight) * 0.2
adapter.save_pretrained(str(root / "41" / "adapter"), save_embedding_layers=False)
bench = Bench(root / "41" / "adapter", root / "41" / "y", base=base)
merged = save(root / "41" / "merged", adapter.merge_and_unload())
for precision in ("fp32", "fp16", "int8", "int4"):
    wrong = build(merged, root / "41" / precision / "artifact", precision)
    told[f"41 merged in place {precision}"] = decide(*bench.hold(wrong)).fault
print(json.dumps(told))
"""


ROUNDED_ON_A_TEXT = """
from bench.gate_calibrated import FORMS, WIDE, calibrated_builder
from bench.gate_faults import SOURCE
from bench.gate_moved import WEIGHTS_ALONE
import copy
told = {}
rounded = calibrated_builder()
model = tiny_model("llama", **WIDE)
bench = Bench(save(root / "source", model), root / "y")
for form in FORMS:
    passed, asked = bench.hold(rounded(bench.source, root / form.name / "artifact", form), calibrated=True)
    judged = decide(passed, asked)
    told[f"honest {form.name}"] = [judged.fault, judged.proof["level"], sorted(asked["proof"]["weights"]["moved"]["error"])]
for change in SOURCE:
    wrong = copy.deepcopy(model)
    if change.__name__ in WEIGHTS_ALONE and change(wrong):
        artifact = rounded(save(root / "wrong", wrong), root / change.__name__ / "artifact", FORMS[0])
        told[change.__name__] = [decide(*bench.hold(artifact, calibrated=True)).fault]
print(json.dumps(told))
"""


@pytest.mark.real
@pytest.mark.slow
def test_the_reported_cases_are_red_by_the_gate_alone(
    builds: subprocess.Popen[str], tmp_path: Path
) -> None:
    """What conversions once did to these folders, planted again: the corrections take no part here."""
    faults_by_name = held(builds, REPORTED, tmp_path)
    assert len(faults_by_name) == 10
    assert not [name for name, fault in faults_by_name.items() if not fault]


@pytest.mark.real
@pytest.mark.slow
def test_weights_rounded_on_a_text_hide_no_fault_of_weights(
    builds: subprocess.Popen[str], tmp_path: Path
) -> None:
    outcomes = held(builds, ROUNDED_ON_A_TEXT, tmp_path)
    honest = {name: outcome for name, outcome in outcomes.items() if name.startswith("honest")}
    assert len(honest) == 3 and len(outcomes) == 9
    assert set(map(str, honest.values())) == {"['', 'proven', ['4']]"}
    for name in outcomes.keys() - honest.keys():
        assert "weights are not its original's" in outcomes[name][0], name


@pytest.mark.real
@pytest.mark.slow
def test_honest_builds_are_proven_at_every_precision(
    builds: subprocess.Popen[str], tmp_path: Path
) -> None:
    faults_by_name = held(builds, HONEST, tmp_path)
    assert len(faults_by_name) == 12
    for name, (fault, level, covered) in faults_by_name.items():
        assert (fault, level) == ("", "proven"), name
        assert covered["window_passed"] is (True if "gemma" in name else None)


@pytest.mark.real
@pytest.mark.slow
def test_no_planted_fault_passes_at_four_bits(
    builds: subprocess.Popen[str], tmp_path: Path
) -> None:
    faults_by_name = held(builds, FAULTY, tmp_path)
    assert faults_by_name.pop("honest") == ""
    assert len(faults_by_name) >= 15
    assert not [name for name, fault in faults_by_name.items() if not fault]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_packed_numbers_come_back(bits: int) -> None:
    from firstlight_core.jobs.graph_matrices import unpacked

    numbers = np.random.default_rng(0).integers(0, 2**bits, size=(3, 16), dtype=np.uint8)
    share = 8 // bits
    packed = np.zeros((3, 16 // share), dtype=np.uint8)
    for column in range(16):
        packed[:, column // share] |= numbers[:, column] << np.uint8(bits * (column % share))
    assert (unpacked(packed, bits) == numbers).all()


@pytest.mark.real
@pytest.mark.parametrize(("bits", "zero_points"), [(4, False), (4, True), (8, False), (8, True)])
def test_a_matrix_is_read_as_the_runtime_multiplies_with_it(
    bits: int, zero_points: bool, tmp_path: Path
) -> None:
    """Against onnxruntime itself: the product with the unit matrix is the matrix."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    from firstlight_core.jobs.graph_matrices import Graph

    rows, columns, block = 24, 64, 32
    chance = np.random.default_rng(1)
    blocks = columns // block
    packed = chance.integers(0, 256, size=(rows, blocks, block * bits // 8), dtype=np.uint8)
    inputs = {"W": packed, "S": chance.random((rows * blocks,), dtype=np.float32)}
    if zero_points:
        inputs["Z"] = chance.integers(0, 256, size=(rows * blocks * bits // 8,), dtype=np.uint8)
    node = helper.make_node(
        "MatMulNBits", ["A", *inputs], ["Y"], name="/model/layers.0/x/MatMul", domain="com.microsoft",
        K=columns, N=rows, bits=bits, block_size=block, accuracy_level=0,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("A", TensorProto.FLOAT, [columns, columns])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [columns, rows])],
        [numpy_helper.from_array(value, name) for name, value in inputs.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (product,) = session.run(None, {"A": np.eye(columns, dtype=np.float32)})
    (matrix,) = Graph(tmp_path / "model.onnx").matrices()
    assert (matrix.bits, matrix.table) == (bits, False)
    np.testing.assert_allclose(matrix.values, product.T, rtol=1e-6, atol=1e-6)


@pytest.mark.real
def test_rows_are_found_by_their_numbers() -> None:
    import torch

    from firstlight_core.jobs.weight_proof import aligned

    chance = torch.Generator().manual_seed(0)
    large = torch.randn(40, 16, generator=chance)
    assert aligned(large, large[8:20] + 0.1 * torch.randn(12, 16, generator=chance)) == 8
    assert aligned(large, large[8:20].flip(0)) is None
    assert aligned(large, torch.randn(12, 16, generator=chance)) is None
    assert aligned(large, torch.zeros(12, 16)) is None


@pytest.mark.real
def test_rows_are_held_against_their_original() -> None:
    import torch

    from firstlight_core.jobs.row_difference import RowDifference, shrinkage

    chance = torch.Generator().manual_seed(0)
    own = torch.randn(40, 16, generator=chance)
    own[3] = 0.001
    made = own * 1.05
    made[7] = 0
    made[3] = 5e-3
    known = RowDifference(0.1)
    for part in (slice(0, 25), slice(25, 40)):
        known.add(made[part], own[part])
    assert known.error == pytest.approx(float((made - own).norm() / own.norm()), rel=1e-5)
    assert known.row_error == pytest.approx(1.0)
    assert known.row_slope == pytest.approx(1.0)
    assert known.slope == pytest.approx(float((made * own).sum() / (own * own).sum()) - 1, rel=1e-4)
    ratio = float((made * own).sum() / (made * made).sum())
    assert shrinkage([(known, 2.0)]) == pytest.approx(1 - ratio, rel=1e-4)
    double = RowDifference(0.1)
    double.add(own * 2, own)
    twice = 4 * float((own * own).sum())
    both = float((made * own).sum() * 3 + twice / 2) / float((made * made).sum() * 3 + twice)
    assert shrinkage([(known, 3.0), (double, 1.0)]) == pytest.approx(1 - both, rel=1e-4)
    nothing = RowDifference(0.1)
    nothing.add(torch.zeros(2, 3), torch.zeros(2, 3))
    assert (nothing.error, nothing.row_error, nothing.row_slope) == (0, 0, 0)
    assert (nothing.slope, shrinkage([(nothing, 1.0)])) == (0, 0)


@pytest.mark.real
def test_the_inputs_of_every_matrix_are_taken_once() -> None:
    import torch

    from firstlight_core.jobs.matrix_inputs import TOKENS, matrix_inputs

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(200, 8)
            self.left, self.right = (torch.nn.Linear(8, 4, bias=False) for _ in range(2))
            self.head = torch.nn.Linear(4, 200, bias=False)

        def forward(self, input_ids: Any, use_cache: bool) -> Any:
            state = self.embed(input_ids)
            return self.head(self.left(state) * self.right(state))

    network = Network()
    texts: Any = [{"ids": list(range(150))}, {"ids": [5, 6]}]
    inputs = matrix_inputs(network, texts)
    assert {name: tuple(given.shape) for name, given in inputs.items()} == {
        "left.weight": (TOKENS + 2, 8),
        "right.weight": (TOKENS + 2, 8),
        "head.weight": (TOKENS + 2, 4),
    }
    assert torch.equal(inputs["left.weight"][-2:], network.embed.weight[5:7])
    network(torch.tensor([[1]]), False)
    assert len(inputs["left.weight"]) == TOKENS + 2


def test_figures_are_those_of_an_independent_computation() -> None:
    from firstlight_core.jobs.gate_figures import distance

    chance = np.random.default_rng(2)
    own = chance.normal(size=(3, 50)).astype(np.float32)
    made = [row + np.float32(0.5) for row in own[:2]] + [own[2] * np.float32(2)]
    figures_made = distance(made, own)
    # A constant shifts no probability; twice the logits are as far away as the logits are long.
    assert figures_made["error_max"] == pytest.approx(1.0, abs=1e-6)
    assert figures_made["error_median"] < 1e-6
    p = np.exp(own[2].astype(float)) / np.exp(own[2].astype(float)).sum()
    q = np.exp(2 * own[2].astype(float)) / np.exp(2 * own[2].astype(float)).sum()
    assert figures_made["kl_max"] == pytest.approx((p * np.log(p / q)).sum(), rel=1e-6)
    assert figures_made["top1"] == 1.0
    with pytest.raises(ValueError, match="rows"):
        distance(made[:2], own)


@pytest.mark.parametrize(
    ("config", "lengths"),
    [
        ({"max_position_embeddings": 512}, Lengths(512, None, None)),
        ({"max_position_embeddings": 512, "sliding_window": 64}, Lengths(512, 64, None)),
        (
            {"sliding_window": 64, "use_sliding_window": False, "max_position_embeddings": 512},
            Lengths(512, None, None),
        ),
        (
            {"sliding_window": 64, "layer_types": ["full_attention"], "max_position_embeddings": 9},
            Lengths(9, None, None),
        ),
        (
            {
                "max_position_embeddings": 512,
                "rope_parameters": {"rope_type": "yarn", "original_max_position_embeddings": 128},
            },
            Lengths(512, None, 128),
        ),
        (
            {"max_position_embeddings": 512, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
            Lengths(512, None, 512),
        ),
    ],
)
def test_lengths_at_which_a_model_changes(config: dict[str, Any], lengths: Lengths) -> None:
    assert read_lengths(config) == lengths
