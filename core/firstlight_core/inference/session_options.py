"""How onnxruntime uses the processor here: how many threads, and how long one without work stays awake.

Measured with a 0.5 B shape in int4 on two cores, in turn with onnxruntime's own choice (one thread on that machine; the
`decoding` bench takes it anew): with these options decode is 1.23 times as fast and prefill 1.68 times. Two threads that
sleep at once gave 1.3, 20 microseconds of spinning 1.5 and a millisecond 1.6 times in an earlier run beside light work;
while other programs use both cores the order turns round: a millisecond 0.56 times, 100 microseconds 0.66, no spinning
0.90. Twenty take most of the one at little of the other, and an engine that waits for a question uses no processor.
"""

from collections.abc import Mapping

import psutil

from firstlight_core.documents.jobs_engine import SessionOptions
from firstlight_core.environment.machine import core_count

SPIN_MICROSECONDS = 20
"""As long as an idle thread looks for its next operator before it sleeps: longer than the gap between two of them."""
INTRA_OP_THREADS = "intra_op_num_threads"
SPIN_DURATION = "session.intra_op.spin_duration_us"
ALLOW_SPINNING = "session.intra_op.allow_spinning"
THREAD_KEYS = (
    INTRA_OP_THREADS,
    SPIN_DURATION,
    ALLOW_SPINNING,
    "session.intra_op.spin_backoff_max",
)
"""The thread options of an artifact's session."""


def usable_threads(physical: int | None, usable: int) -> int:
    """Return one thread for each physical core that this process may use.

    onnxruntime counts for itself, but it takes the cores of some virtual machines for halves of one, and knows nothing
    of a control group's quota. Two threads on one core only wait for the same arithmetic units.
    """
    return max(1, min(physical or usable, usable))


def session_options(own: Mapping[str, object], *, cores: int | None = None) -> SessionOptions:
    """Return the session options of a text decoder, to lay over `own`, those that its artifact brings.

    An artifact that says anything of its threads (`firstlight tune` makes it) keeps that, unless it names more threads
    than this machine has `cores`: then it was tuned for another one.
    """
    usable = core_count()[0] if cores is None else cores
    if any(key in own for key in THREAD_KEYS):
        count = own.get(INTRA_OP_THREADS, 0)
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= usable:
            return {}
    return {
        INTRA_OP_THREADS: usable_threads(psutil.cpu_count(logical=False), usable),
        SPIN_DURATION: str(SPIN_MICROSECONDS),
    }
