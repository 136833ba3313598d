"""How many of all measurements of a benchmark are done."""

from collections.abc import Callable, Sequence

from firstlight_core.measure.subjects import PairedArtifact, Subject
from firstlight_core.process.events import Event, Progress, Stage


class MeasurementCount:
    """Tells how many of all measurements are done."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        repeats: int,
        levels: Sequence[int],
        tell: Callable[[Event], None],
    ) -> None:
        self.tell = tell
        self._done = 0
        # Several clients ask each server, and an artifact through the service; of a pair its service.
        asked = sum(not isinstance(s, PairedArtifact) for s in subjects)
        lengths = sum(len(s.lengths) for s in subjects)
        self._total = lengths * (repeats + 1) + asked * len(levels)

    @property
    def stopped_words(self) -> str:
        """Progress so far, for a reader of the figures."""
        return f"Stopped after {self._done} of {self._total} measurements: the figures are of those that were finished."

    def begin(self) -> None:
        """Tell that measuring begins."""
        self.tell(Stage("measure", "Measuring"))
        self.tell(Progress(self._done, self._total, "measurements"))

    def step(self, note: str) -> None:
        """Count a measurement; `note` says which."""
        self._done += 1
        self.tell(Progress(self._done, self._total, "measurements", note))
