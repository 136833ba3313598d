"""Further measurements after a short benchmark, each by one key."""

from textual.content import Content

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.measure.benchmark import LENGTHS, REPEATS
from firstlight_tui.widgets.charts.paragraphs import Paragraph, Paragraphs
from firstlight_tui.widgets.charts.roles import BOLD, TITLE
from firstlight_tui.widgets.words import part


def more_to_measure(document: BenchDocument) -> Paragraphs:
    """Return what else can be measured here, each with its key."""
    acts = []
    if document["repeats"] < REPEATS or len(document["lengths"]) < len(LENGTHS):
        lengths = ", ".join(map(str, LENGTHS[:-1]))
        new = "curves" if document["void"] else "measured curves in place of the estimates"
        words = f"{REPEATS} rounds at prompts of {lengths} and {LENGTHS[-1]} tokens: {new}, and the spread of each figure."
        acts.append(("r", "measure in full", words))
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
