"""Measure the cost of the monitor: CPU time of one sample and one drawing a second, as a share of one core.

`python -m bench.monitor_cost [SAMPLES]` watches this process as the job, at 200 columns and 8 rows.
"""

import os
import sys
import time
from pathlib import Path
from statistics import median

from firstlight_core.machine import MachineReader
from firstlight_core.monitor import History
from firstlight_tui.state.machine_view import MachineView
from firstlight_tui.widgets.machine_chart import MachinePanel


def main(samples: int) -> None:
    """Measure with a pause between the samples, since caches are cold once a second."""
    reader = MachineReader()
    history = History(read=lambda: reader.read(os.getpid(), Path.home()))
    reading, drawing = [], []
    for _ in range(samples):
        time.sleep(0.2)
        began = time.thread_time()
        history.take()
        read = time.thread_time()
        view = MachineView(samples=tuple(history.samples)[-60:], job="measuring")
        MachinePanel(view=view).draw(200, 8)
        reading.append(read - began)
        drawing.append(time.thread_time() - read)
    mean = (sum(reading) + sum(drawing)) / samples
    sys.stdout.write(
        f"reading {1000 * median(reading):.2f} ms, drawing {1000 * median(drawing):.2f} ms (median)\n"
        f"at one sample a second: {100 * mean:.2f} % of one core (mean of {samples})\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
