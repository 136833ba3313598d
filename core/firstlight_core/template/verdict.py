"""Verdicts of the template check on one conversation, and on all of them together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from firstlight_core.documents.jobs_template import Rendering
from firstlight_core.documents.template import (
    Between,
    Cause,
    Difference,
    ShapeRow,
    TemplateVerdict,
)
from firstlight_core.template.compare import differences
from firstlight_core.template.shapes import Shape
from firstlight_core.text import one_line

FILE_NOTE = (
    "transformers 5 reads this tokenizer otherwise than its tokenizer.json says (the file puts a space after control "
    "tokens); onnxruntime-genai follows the file, as transformers 4 did. A model that was trained with transformers 4 gets "
    "the prompts it knows; for one that was trained with transformers 5, compare the answers with the original's."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderings:
    """One conversation by every renderer. Token ids throughout."""

    reference: Rendering
    """`{text, ids}` or `{error}` by the source's template and tokenizer in transformers."""
    native: Rendering
    """The same by the artifact's, in onnxruntime-genai."""
    wanted: Sequence[int]
    """The reference's text, encoded by onnxruntime-genai."""
    file: Sequence[int] | None
    """The reference's text in the tokens of tokenizer.json itself, where that was asked."""
    expanded: Sequence[list[list[int]]]
    """The renderings of the checked PromptTemplate, one for each way of reading it."""
    implied: Sequence[list[list[int]]]
    """The renderings of the PromptTemplate that the tokenizer's own template implies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Compares the conversations of one check; its fields hold for all of them."""

    pieces: Mapping[int, str]
    templated: bool
    """Whether there is a PromptTemplate to compare."""
    same_template: bool
    """Whether both renderers were given the very same chat template."""

    def compare(self, shape: Shape, of: Renderings) -> tuple[ShapeRow, list[Difference]]:
        """Return the row of a conversation, and its differences."""
        row: ShapeRow = {"id": shape.key, "label": shape.label}
        if "error" in of.reference or "error" in of.native:
            return self._refusals(row, of.reference, of.native)
        row["tokens"] = {"reference": len(of.reference["ids"]), "genai": len(of.native["ids"])}
        row["text"] = of.reference["text"][:4000]
        rows = self._genai(shape, of)
        row["genai"] = "differs" if rows else "same"
        if rows:
            row["causes"] = sorted({d["cause"] for d in rows})
        if self.templated and not shape.tools:
            rows += self._prompt_template(shape, of, row)
        return row, rows

    def _genai(self, shape: Shape, of: Renderings) -> list[Difference]:
        rows: list[Difference] = []
        if of.native["text"] != of.reference["text"]:
            rows += differences(
                shape=shape.key,
                between="genai",
                subject="onnxruntime-genai",
                cause="renderer" if self.same_template else "template",
                expected=of.wanted,
                actual=of.native["ids"],
                pieces=self.pieces,
            )
        return rows + differences(
            shape=shape.key,
            between="genai",
            subject="onnxruntime-genai's tokenizer",
            truth="transformers'",
            cause="file" if of.file is not None and of.file == of.wanted else "tokenizer",
            expected=of.reference["ids"],
            actual=of.wanted,
            pieces=self.pieces,
        )

    def _prompt_template(self, shape: Shape, of: Renderings, row: ShapeRow) -> list[Difference]:
        """Compare PromptTemplate with the reference's text in the same tokenizer."""
        wanted = list(of.wanted)
        # The way of reading a PromptTemplate that fits the tokenizer's own judges this one.
        ways = zip(of.expanded, of.implied, strict=True)
        way = next((way for way, known in ways if wanted in known), None)
        if way is None:
            same = any(wanted in text for text in of.expanded)
            row["prompt_template"] = "same" if same else "cannot"
            if not same:
                row["note"] = (
                    "PromptTemplate cannot express this conversation; the runtime's own chat template does."
                )
            return []
        if wanted in way:
            row["prompt_template"] = "same"
            row["tokens"]["prompt_template"] = len(wanted)
            return []
        row["prompt_template"] = "differs"
        tried = [
            differences(
                shape=shape.key,
                between="prompt-template",
                subject="PromptTemplate",
                expected=wanted,
                actual=ids,
                pieces=self.pieces,
            )
            for ids in way
        ]
        return min(tried, key=_size) if tried else [_lacking(shape)]

    def _refusals(
        self, row: ShapeRow, reference: Rendering, native: Rendering
    ) -> tuple[ShapeRow, list[Difference]]:
        """A template may refuse a conversation (no system role): then every renderer has to refuse it."""
        if "error" in reference and "error" in native:
            row["genai"] = "same"
            row["refused"] = True
            row["note"] = f"The chat template refuses it: {one_line(reference['error'], 120)}"
            return row, []
        refuser, error = (
            ("The tokenizer's template", reference["error"])
            if "error" in reference
            else ("onnxruntime-genai", native["error"])
        )
        cause: Cause = "renderer" if self.same_template else "template"
        row["genai"] = "differs"
        row["causes"] = [cause]
        if "text" in reference:
            row["text"] = reference["text"][:4000]
        reason = one_line(error.partition(" at row ")[0], 160)
        sentence = f"{refuser} refuses this conversation, the other renderer does not: {reason}"
        return row, [_difference(row["id"], "genai", cause, sentence)]


def _lacking(shape: Shape) -> Difference:
    roles = ", ".join(sorted({message["role"] for message in shape.messages}))
    sentence = f"PromptTemplate lacks a field that this conversation needs ({roles})"
    return _difference(shape.key, "prompt-template", "template", sentence)


def _difference(shape: str, between: Between, cause: Cause, sentence: str) -> Difference:
    return {
        "shape": shape,
        "between": between,
        "cause": cause,
        "index": 0,
        "expected": [],
        "found": [],
        "sentence": sentence,
    }


def _size(rows: list[Difference]) -> int:
    return sum(max(len(d["expected"]), len(d["found"])) for d in rows)


@dataclass(frozen=True, slots=True)
class ParityVerdict:
    """The answer of a check: `match`, `match-with-exceptions` or `mismatch`, and why, in one sentence."""

    word: TemplateVerdict
    sentence: str
    exceptions: tuple[str, ...] = ()
    """The conversations that the runtime reads otherwise, and no template can change that."""

    @property
    def locked(self) -> bool:
        """True if nothing differs that a template could repair, or that ordinary conversations contain."""
        return self.word != "mismatch"


def give_verdict(
    rows: Sequence[Difference], shapes: Sequence[Shape], *, repairable: Collection[str] = ()
) -> ParityVerdict:
    """Return the verdict on these differences; `repairable`: conversations that another template repairs.

    A difference is an exception when the runtime makes it (its tokenizer, or its renderer of the very same template)
    and only unusual texts meet it; and when it is transformers that departs from tokenizer.json.
    """
    if not rows:
        return ParityVerdict(
            "match",
            "Template matches: transformers, onnxruntime-genai and PromptTemplate give the same tokens.",
        )
    labels = {shape.key: shape.label for shape in shapes}
    unusual = {shape.key for shape in shapes if shape.unusual}
    for difference in rows:
        cause = difference["cause"]
        ours = cause == "template" or (cause == "renderer" and difference["shape"] in repairable)
        if ours or (cause != "file" and difference["shape"] not in unusual):
            return ParityVerdict("mismatch", f"Mismatch: {difference['sentence']}.")
    excepted = tuple(dict.fromkeys(str(difference["shape"]) for difference in rows))
    who = {
        "tokenizer": "its tokenizer reads them otherwise",
        "renderer": "it renders them otherwise",
        "file": "it follows tokenizer.json, which transformers 5 does not",
    }
    why = " and ".join(who[cause] for cause in sorted({d["cause"] for d in rows}, reverse=True))
    named = ", ".join(labels[key] for key in excepted)
    if len(excepted) > 6:
        named = f"{len(excepted)} of {len(shapes)} conversations"
    return ParityVerdict(
        "match-with-exceptions",
        f"Template matches, with exceptions that no template can repair: {named}. "
        f"onnxruntime-genai differs there: {why}.",
        excepted,
    )
