"""The range of every sampling setting, for requests to a backend, fields of the wizard and inference_model.json."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamplingRange:
    """One row."""

    kind: type[int] | type[float]
    least: float
    most: float
    meaning: str = ""
    """A few words beside the field."""
    open: bool = False
    """Whether the least value is not in the range."""

    def holds(self, value: object) -> bool:
        """Return whether this is a number within the range, whole where the setting counts."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        # A comparison is false for NaN, and safe for whole numbers beyond every float.
        fits = self.least <= value <= self.most and not (self.open and value == self.least)
        return fits and (self.kind is float or value == int(value))

    @property
    def words(self) -> str:
        """The range: "from 0 to 2", or "above 0 and up to 1"."""
        join = ("above", "and up to") if self.open else ("from", "to")
        return f"{join[0]} {self.least:.10g} {join[1]} {self.most:.10g}"

    @property
    def rule(self) -> str:
        """The kind of number and the range: "a whole number from 1 to 1000"."""
        return f"a {'whole ' if self.kind is int else ''}number {self.words}"


SAMPLING_RANGES: dict[str, SamplingRange] = {
    "max_length": SamplingRange(int, 1, 2**24),
    "max_tokens": SamplingRange(int, 1, 100_000, "longest answer, in tokens"),
    "temperature": SamplingRange(float, 0, 2, "0 is greedy: always the same answer"),
    "top_p": SamplingRange(float, 0, 1, "empty: the artifact's own", open=True),
    "top_k": SamplingRange(int, 1, 100_000, "empty: the artifact's own"),
    "repetition_penalty": SamplingRange(float, 0, 2, "empty: the artifact's own", open=True),
    "seed": SamplingRange(int, 0, 2**31 - 1, "empty: a new one each time"),
    "context": SamplingRange(int, 2, 10_000_000, "tokens; another one loads anew"),
}
"""Setting → its range. The temperature ends where the OpenAI API's does; genai itself accepts a negative one."""
