"""The keys and the help text of the precision step."""

from textual.binding import Binding, BindingType

HELP = (
    "INT4 is marked first: the course's advice is to start with INT4 and to try INT8 or FP16 when the quality is "
    "not satisfactory. Several rows can be marked; they are converted one after another. ★ is the row for the goal "
    "that `g` chooses: from estimates at first, from measurements once two rows have them. ✕ cannot run here. "
    "A `?` behind a speed: the machine was busy while it was measured. Sizes are of the whole artifact folder; "
    "peak: memory of the conversion; run: memory of a process that runs it."
)
KEYS: list[BindingType] = [
    # Without priority: it would overtake the arrow before it, and mark the row that was just left.
    Binding("space", "mark", "Mark", id="precision.mark", tooltip="Mark or unmark this row"),
    Binding(
        "up",
        "to_table(-1)",
        "Rows",
        id="precision.up",
        show=False,
        tooltip="Go to the rows of the table",
    ),
    Binding(
        "down",
        "to_table(1)",
        "Rows",
        id="precision.down",
        show=False,
        tooltip="Go to the rows of the table",
    ),
    Binding(
        "g",
        "goal",
        "Goal",
        id="precision.goal",
        tooltip="Recommend for the next goal: smallest, fastest, closest to the original",
    ),
    Binding(
        "a",
        "advanced",
        "Advanced",
        id="precision.advanced",
        tooltip="Block size, accuracy level, algorithm and embedding of this row",
    ),
    Binding(
        "d",
        "details",
        "Details",
        id="precision.details",
        tooltip="Everything that is known of this row, on a page of its own",
    ),
    Binding(
        "p",
        "picture",
        "Picture",
        id="precision.picture",
        show=False,
        tooltip="Draw drift against size, or against decode speed",
    ),
]
