"""The corrections of the installed model builder; each module describes one fault, docs/support.md the support."""

from firstlight_core.jobs import (
    attention_window,
    exact_numbers,
    head_sizes,
    moe_experts,
    odd_blocks,
    own_head,
    rope_tables,
)


def install() -> None:
    """Adjust the builder, and the quantiser that it uses, in this process."""
    own_head.install()
    exact_numbers.install()
    attention_window.install()
    rope_tables.install()
    head_sizes.install()
    moe_experts.install()
    odd_blocks.install()
