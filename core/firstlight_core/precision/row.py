"""One row of the precision table: its name, the course's claim, Olive's settings, its cost, and what follows from them."""

from dataclasses import dataclass, field

from firstlight_core.documents.precision import Expected
from firstlight_core.files import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The course's claim about a precision (Module 5, section 4); None where it makes none."""

    size: str
    speed: str
    quality: str
    use: str

    @property
    def size_factor(self) -> float:
        """The size as a factor of FP32's."""
        return float(self.size.removeprefix("×"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost terms of Olive's part of one precision: peak bytes a weight, and seconds for 10^9 weights.

    Weights are those of the body, of the vocabulary table (one huge matrix, which is held several times over while it
    is written), and of the second table of a model whose output head is not its embedding.
    """

    ram_body: float
    ram_table: float
    ram_untied: float = 0.0
    seconds_body: float
    seconds_table: float
    seconds_untied: float = 0.0


_ALGORITHM = "int4_algo_config"
REFERENCE_PRECISION = "fp32"
"""Every weight as trained: nothing can be closer, so it is what the others are compared with."""
BUILDER_BITS = {"int4": 4, "int8": 8}
"""Bits of a weight by the ModelBuilder's `precision`; the others do not quantise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """One row: its name, the course's claim, Olive's settings, and its cost."""

    key: str
    label: str
    weight_bits: float
    """Bits per weight of the transformer body, block scales included (fp32 scales: 32 / block)."""
    claim: Claim | None
    course_name: str
    """Its name in the course; rows of one name are kinds of one precision, the row of that key is the plain one."""
    builder_precision: str
    """`precision` of Olive's ModelBuilder pass."""
    builder_options: JsonObject = field(default_factory=dict)
    """Further keys of the ModelBuilder pass; the shim gives them the names that genai 0.18 reads."""
    half_pass: bool = False
    """A second pass turns the fp32 graph into fp16 (the builder's own fp16 cannot decode on CPU)."""
    tied_only: bool = False
    """Only models whose output head is their embedding differ from the row before."""
    expected: Expected = field(default_factory=Expected)
    """Required contents of the produced graph (`jobs/gate.py` reads it back); the builder ignores unknown options."""
    calibrated: bool = False
    """Olive's Gptq pass rounds the weights on a calibration text before the builder packs them."""
    layer_block: int | None = None
    """Weights of a layer that share a scale, where the calibration's blocks are not those of the output head."""
    nearest: "Precision | None" = None
    """The same row rounded to the nearest step: what is made where it cannot be calibrated, or nobody wants it to be."""
    gate_limits: str
    """Row of `gate_thresholds.json` that judges the artifact."""
    cost: Cost | None = None
    """Fitted to docs/estimates.md; a row without one costs what the row of its builder precision does."""
    needs_good_pair: bool = True
    """Whether it converts only with a pair of Olive and genai that converts every precision."""
    note: str = ""
    """One sentence that the table shows for this row."""

    @property
    def bits(self) -> int | None:
        """Bits of a quantised weight; None where weights are not quantised."""
        return BUILDER_BITS.get(self.builder_precision)

    @property
    def block_size(self) -> int:
        """Weights that share one scale; the builder's own 32 where the row names none."""
        value = self.builder_options.get("int4_block_size")
        return value if isinstance(value, int) else 32

    @property
    def body_block(self) -> int:
        """Weights of a layer that share one scale."""
        return self.layer_block or self.block_size

    @property
    def has_zero_points(self) -> bool:
        """True if every block has a zero point beside its scale: k-quant finds them, and so does the calibration."""
        return "k_quant" in str(self.builder_options.get(_ALGORITHM, ""))

    @property
    def head_bits(self) -> int:
        """Bits of a weight of the output head of a quantised row."""
        eight = self.builder_options.get(_ALGORITHM) in ("k_quant_last", "k_quant_mixed")
        return 8 if eight else self.bits or 4

    @property
    def forms(self) -> "tuple[Precision, ...]":
        """The row itself, and the one rounded to the nearest where it has one."""
        return (self,) if self.nearest is None else (self, self.nearest)

    @property
    def fineness(self) -> tuple[float, int]:
        """Sorts rows by how finely they store: more bits a weight, then smaller blocks of the output head."""
        return self.weight_bits, -self.block_size

    @property
    def shares_tied_table(self) -> bool:
        """True if the embedding and the output head of a tied model are one quantised table."""
        return self.bits == 4 or self.tied_only

    @property
    def is_reference(self) -> bool:
        """True if every weight is as trained: nothing can be closer to the original."""
        return self.key == REFERENCE_PRECISION
