"""What the issue asks for beside what was measured, for one model on one machine."""

import statistics
from dataclasses import dataclass

from bench.peers.document import DriftTest, PeersDocument, Run, latest_drift, latest_run
from bench.peers.markdown import VOID, table
from bench.peers.models import BARE, INT4, LLAMA, METRICS, PeerModel, llama_name, speed_targets
from bench.peers.parity import KIND
from bench.peers.ratios import Ratio, ratio_of, samples_of, target_ratio

BARE_TOLERANCE = 0.02
MEMORY_LIMIT = 1.1
DRIFT_TEST_LIMIT = 2.0
_HEAD = ["", "Against", "To reach", "Measured", ""]
_SUMMARY_HEAD = ["Model", "", "Against", "To reach"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of one model on one machine that count; None where there is none."""

    speed: Run | None
    memory: Run | None
    making: Run | None
    parity: Run | None
    drift: DriftTest | None

    def __bool__(self) -> bool:
        return any((self.speed, self.memory, self.making, self.drift))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One number of the issue: `reached` is None where a run was void."""

    name: str
    against: str
    goal: str
    figure: str = VOID
    spread: str = ""
    reached: bool | None = None

    @property
    def word(self) -> str:
        """Whether it is reached."""
        return {None: "", True: "reached", False: "**not reached**"}[self.reached]


def measured_on(document: PeersDocument, model: str, machine: str) -> Measured:
    """Return the newest valid runs of one model on one machine."""
    speed, memory, making, parity = (
        latest_run(document, kind, model, machine) for kind in ("speed", "memory", "making", KIND)
    )
    return Measured(speed, memory, making, parity, latest_drift(document, model, machine))


def verdicts(model: PeerModel, measured: Measured) -> list[Verdict]:
    """Return every number of the issue that was measured."""
    numbers: list[Verdict] = []
    if measured.speed is not None:
        numbers += _speed_verdicts(model, measured.speed)
    if (equal := measured.parity or measured.speed) is not None:
        numbers += _bare_verdicts(equal)
    if measured.memory is not None:
        numbers.append(_memory_verdict(measured.memory))
    if measured.drift is not None:
        numbers += _drift_verdicts(measured.drift)
    return numbers


def verdict_table(numbers: list[Verdict]) -> list[str]:
    """Return the lines of a table of numbers; nothing without any."""
    rows = [[v.name, v.against, v.goal, f"{v.figure} {v.spread}".strip(), v.word] for v in numbers]
    return table(_HEAD, rows) if rows else []


def summary_table(
    columns: list[tuple[str, list[tuple[PeerModel, list[Verdict]]]]],
) -> list[str]:
    """Return one table of the numbers of all models, a column for each machine; nothing without any number."""
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for machine, models in columns:
        for model, numbers in models:
            for verdict in numbers:
                key = (model.title, verdict.name, _against_what(verdict), verdict.goal)
                cells.setdefault(key, {})[machine] = _summary_cell(verdict)
    machines = [machine for machine, _ in columns]
    rows = [
        [*key, *(row.get(machine, "not measured") for machine in machines)]
        for key, row in cells.items()
    ]
    return table([*_SUMMARY_HEAD, *machines], rows) if rows else []


def _against_what(verdict: Verdict) -> str:
    """What a number is held to on every machine: which format of llama.cpp that is may differ."""
    return LLAMA if verdict.against.startswith(LLAMA) else verdict.against


def _summary_cell(verdict: Verdict) -> str:
    figure = verdict.figure
    if figure.endswith("×") and _against_what(verdict) == LLAMA:
        figure += verdict.against.removeprefix(LLAMA)
    return ", ".join(part for part in (figure, verdict.word) if part)


def _speed_verdicts(model: PeerModel, run: Run) -> list[Verdict]:
    numbers = []
    for target in speed_targets(model):
        if samples_of(run, target.subject, target.metric):
            against, ratio = target_ratio(run, target)
            name = f"{target.subject}: {METRICS[target.metric].lower()}"
            goal = f">= {target.least} ×"
            reached = ratio is not None and ratio.median >= target.least
            numbers.append(_of_ratio(name, against, goal, ratio, reached))
    return numbers


def _bare_verdicts(run: Run) -> list[Verdict]:
    numbers = []
    for metric, label in METRICS.items():
        ratio = ratio_of(samples_of(run, INT4, metric), samples_of(run, BARE, metric))
        reached = ratio is not None and abs(ratio.median - 1) <= BARE_TOLERANCE
        numbers.append(
            _of_ratio(
                f"`firstlight bench`: {label.lower()}",
                BARE,
                "within 2 %",
                None if run["void_reasons"] else ratio,
                reached,
                digits=3,
            )
        )
    return numbers


def _of_ratio(
    name: str, against: str, goal: str, ratio: Ratio | None, reached: bool, *, digits: int = 2
) -> Verdict:
    if ratio is None:
        return Verdict(name, against, goal)
    spread = f"({ratio.low:.2f} to {ratio.high:.2f})"
    return Verdict(name, against, goal, f"{ratio.median:.{digits}f} ×", spread, reached)


def _memory_verdict(run: Run) -> Verdict:
    name, goal = f"{INT4}: peak memory", f"<= {MEMORY_LIMIT} ×"
    if run["void_reasons"]:
        return Verdict(name, LLAMA, goal)
    against = smallest_llama(run)
    ratio = ratio_of(samples_of(run, INT4, "peak_bytes"), samples_of(run, against, "peak_bytes"))
    if ratio is None:
        return Verdict(name, against, goal)
    reached = ratio.median <= MEMORY_LIMIT
    return Verdict(name, against, goal, f"{ratio.median:.2f} ×", reached=reached)


def smallest_llama(run: Run) -> str:
    """Return the name of llama.cpp's format with the lowest peak memory."""
    names = [e["subject"] for e in run["subjects"] if e["subject"].startswith(LLAMA)]
    return min(names, key=lambda name: statistics.median(samples_of(run, name, "peak_bytes")))


def _drift_verdicts(test: DriftTest) -> list[Verdict]:
    mean = {entry["subject"]: entry["kl_mean"] for entry in test["drifts"]}
    other = llama_name("Q4_0")
    numbers = []
    if INT4 in mean and other in mean:
        text = f"{mean[INT4]:.3g} against {mean[other]:.3g} nats"
        reached = mean[INT4] <= mean[other]
        numbers.append(Verdict(f"{INT4}: drift", other, "not above", text, reached=reached))
    name = f"the whole test of drift, {test['prompts']} prompts"
    against, goal = "its forward passes", f"<= {DRIFT_TEST_LIMIT:.0f} ×"
    if test["void_reasons"]:
        return [*numbers, Verdict(name, against, goal)]
    ratio = ratio_of(test["whole_s"], test["forward_s"])
    if ratio is not None:
        reached = ratio.median <= DRIFT_TEST_LIMIT
        numbers.append(Verdict(name, against, goal, f"{ratio.median:.2f} ×", reached=reached))
    return numbers
