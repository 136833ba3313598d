"""Whether another program can be measured beside the best setting, and which one."""

from collections.abc import Callable
from pathlib import Path

from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.process.events import Event, Stage
from firstlight_core.tuning.llama_bench import (
    PROGRAM,
    LlamaBench,
    find_model,
    find_program,
    prepare,
)


async def find_peer(
    program: str | Path | None,
    model: str | Path | None,
    source: Path | None,
    tell: Callable[[Event], None],
) -> tuple[LlamaBench | None, list[str]]:
    """Return llama.cpp ready to be measured, or None; and sentences about why not.

    Args:
        program: `llama-bench` as the user named it; None looks on the PATH.
        model: a GGUF of the same weights; None looks beside those of the source.

    Raises:
        InputRefused: the user asked for it, and a part of it is missing.
        JobFailed: the user asked for it, and it fails.
    """
    wanted = program is not None or model is not None
    executable, weights = find_program(program), find_model(model, source)
    if executable is None:
        if wanted:
            raise InputRefused(
                f"There is no {PROGRAM} on the PATH.", hint=f"Name it with --{PROGRAM} PATH."
            )
        return None, []
    if weights is None:
        if wanted:
            raise InputRefused(
                f"{PROGRAM} measures a GGUF file, and none lies beside the weights.",
                hint="Name one of the same weights with --gguf FILE.",
            )
        missing = f"{PROGRAM} is on the PATH: with --gguf FILE it is measured beside the best."
        return None, [missing]
    tell(Stage("peer", f"Trying {PROGRAM} on {weights.name}"))
    try:
        return await prepare(executable, weights), []
    except FirstlightError as error:
        if wanted:
            raise
        return None, [f"llama.cpp was left out: {error}"]
