"""The meaning of a short benchmark: how long answers take at its rates, and what else can be measured by one key."""

from textual.content import Content

from firstlight_core.documents.measure import BenchDocument, BenchResult
from firstlight_core.measure.benchmark import LENGTHS, REPEATS
from firstlight_core.measure.quoted_length import quoted_case
from firstlight_core.text import seconds_text
from firstlight_tui.widgets.charts.bars import Bar, Bars
from firstlight_tui.widgets.charts.paragraphs import Paragraph, Paragraphs
from firstlight_tui.widgets.charts.roles import BOLD, TITLE
from firstlight_tui.widgets.words import part

USES = (
    ("a command", 20, 20),
    ("a question", 40, 120),
    ("a page to sum up", 500, 150),
    ("a long document", 3_000, 400),
)
"""Uses of a model, with the tokens of the prompt and of the answer."""


def answer_times(document: BenchDocument, result: BenchResult | None) -> Bars | None:
    """Return the seconds of typical answers at the measured rates; None where a rate is missing or void."""
    case = quoted_case(result["cases"]) if result is not None else None
    if result is None or case is None or document["void"]:
        return None
    reading, writing = case.get("prefill_tps"), case.get("decode_tps")
    if reading is None or writing is None:
        return None
    bars = []
    for name, prompt, answer in USES:
        if prompt + answer <= (result.get("context") or prompt + answer):
            seconds = prompt / reading["median"] + answer / writing["median"]
            label = f"{name}, {prompt:,} → {answer}"
            bars.append(Bar(label=label, median=seconds, figure=f"≈ {seconds_text(seconds)}"))
    if not bars:
        return None
    title = "A whole answer takes, at these rates  (tokens of the prompt → of the answer)"
    return Bars(bars=tuple(bars), title=title, compared=False)


def more_to_measure(document: BenchDocument) -> Paragraphs:
    """Return what else can be measured here, each with its key."""
    acts = []
    if document["repeats"] < REPEATS or len(document["lengths"]) < len(LENGTHS):
        lengths = ", ".join(map(str, LENGTHS[:-1]))
        acts.append(
            (
                "r",
                "measure in full",
                f"{REPEATS} rounds at prompts of {lengths} and {LENGTHS[-1]} tokens: curves over the length stand here then, "
                "and each figure has its spread.",
            )
        )
    acts += [
        ("w", "when it is quiet", "The same, begun by itself as soon as other programs rest."),
        ("t", "tune", "Threads, affinity and the build of the engine: the fastest for this model."),
        ("c", "several clients", "1, 2, 4 and 8 ask at once: answers a second, and who waits."),
        ("o", "through Foundry", "The same questions through its service: what the service costs."),
    ]
    width = max(len(name) for _, name, _ in acts) + 2
    return Paragraphs(
        [
            Paragraph(text=Content.assemble(part("More to measure", TITLE))),
            *(
                Paragraph(head=[(f"{key}  ", BOLD), (f"{name:{width}}", "")], text=Content(words))
                for key, name, words in acts
            ),
        ]
    )
