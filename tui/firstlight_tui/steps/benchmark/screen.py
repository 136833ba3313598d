"""Step 8: how fast, how large, on this machine."""

from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import DataTable

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.measure.bench_words import find_result
from firstlight_core.monitor import CPU_ALERT
from firstlight_core.session import Session
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.state.work import OnEvent, Started, Work
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.benchmark.rows import (
    CLIENTS,
    FIGURES,
    client_rows,
    figure_rows,
    processor_share,
)
from firstlight_tui.steps.benchmark.tune_screen import TuneScreen
from firstlight_tui.steps.measuring import MeasuringStep
from firstlight_tui.widgets import Gauge, Words, WorkView

LEVELS = (1, 2, 4, 8)
"""Clients at once."""


class BenchmarkStep(MeasuringStep):
    """The course's metrics as gauges, then the table with median and spread."""

    STEP_ID = "benchmark"
    PURPOSE = "Response time, memory, CPU: measured in the engine's process, warm-up excluded, median and spread."
    HELP = (
        "Several converted precisions, and a connected server (Ctrl+G), are measured in turns, so that a busy minute hits "
        "all of them alike. A server is timed from outside: its memory and load are its own."
    )
    WORK = "benchmark"
    RUN_LABEL = "Measure"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Measure again", id="benchmark.again", tooltip="Measure once more"),
        Binding(
            "o",
            "overhead",
            "Through Foundry",
            id="benchmark.overhead",
            tooltip="The artifact directly and through Foundry Local's service: what the service costs",
        ),
        Binding(
            "c",
            "clients",
            "Clients",
            id="benchmark.clients",
            tooltip="Ask the connected server by 1, 2, 4 and 8 clients at once",
        ),
        Binding(
            "t",
            "tune",
            "Tune",
            id="benchmark.tune",
            tooltip="Find the fastest threads and build of this model on this machine",
        ),
    ]

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.benchmark is not None

    @classmethod
    def finished(cls, workspace: Workspace, result: BenchDocument, seconds: float) -> None:
        workspace.session = workspace.session.decide(benchmark=result)
        workspace.record("benchmark", "done", **{"seconds": seconds, **result})

    def compose_step(self) -> ComposeResult:
        with Horizontal(id="gauges"):
            yield Gauge("TTFT", id="gauge-ttft")
            yield Gauge("Decode", id="gauge-decode")
            yield Gauge("RAM peak", id="gauge-rss")
            yield Gauge("CPU", id="gauge-cpu", alert=CPU_ALERT)
        yield WorkView(id="work")
        for name, labels in (("figures", FIGURES), ("clients", CLIENTS)):
            table: DataTable[Any] = DataTable(cursor_type="row", id=name)
            table.add_columns(*labels)
            table.display = False
            yield table
        yield Words(id="notes", classes="muted")

    def opened(self) -> None:
        if self.session.benchmark is not None:
            self._show_document(self.session.benchmark)

    def _targets(self) -> list[str]:
        made = [str(document["artifact"]) for document in self.session.artifacts]
        adopted = [self.session.artifact] if self.session.artifact is not None and not made else []
        server = [str(self.session.target)] if self.session.endpoint is not None else []
        return made + adopted + server

    def action_again(self) -> None:
        """Measure, or measure once more."""
        self._measure(self._targets())

    def action_overhead(self) -> None:
        """Measure the artifact directly and through Foundry Local's service."""
        if self.session.artifact is None:
            self.notify(
                "First convert a model, or choose an artifact in the Model step.", markup=False
            )
        else:
            self._measure([self.session.artifact], through_foundry=True)

    def action_clients(self) -> None:
        """Ask the connected server by several clients at once."""
        if self.session.endpoint is None:
            self.notify(
                "To test several clients at once, first connect to a server (Ctrl+G).", markup=False
            )
        else:
            self._measure([str(self.session.target)], clients=LEVELS)

    def action_tune(self) -> None:
        """Open the tuning of the artifact in use."""
        if self.session.artifact is None:
            self.notify(
                "First convert a model, or choose an artifact in the Model step.", markup=False
            )
            return
        self.quiet_the_chat()
        self.app.push_screen(TuneScreen(), self._tuned)

    def _tuned(self, artifact: str | None) -> None:
        if artifact is not None:
            # Its figures are those of before, of another artifact everything is.
            changed = {"artifact": artifact} if artifact != self.session.artifact else {}
            self.workspace.session = self.session.decide(benchmark=None, **changed)
            self._clear_document()
            self.notify(f"{Path(artifact).name} is tuned: measure it again.", markup=False)

    def _measure(self, targets: list[str], **options: Any) -> None:
        if not targets:
            return
        network = self.session.network

        async def run(on_event: OnEvent, started: Started) -> BenchDocument:
            self.quiet_the_chat()
            return await self.workspace.services.benchmark(
                targets, network=network, on_event=on_event, started=started, **options
            )

        self.workspace.start(self.WORK, "The benchmark", run)
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        view = self.query_one("#work", WorkView)
        # Once there are figures they deserve the room.
        view.display = work.running or work.error is not None
        view.show(work)
        last = self.workspace.history.last
        if work.running:
            self._gauges(
                ttft=work.measured.get("ttft_s"),
                decode=work.measured.get("decode_tps"),
                rss=last.job_rss,
                cpu=last.cpu / 100,
            )
        if work.result is not None:
            self._show_document(work.result)

    def _gauges(
        self,
        *,
        ttft: float | None,
        decode: float | None,
        rss: int | None,
        cpu: float | None,
        void: bool = False,
    ) -> None:
        """Paint the gauges; speeds of a void benchmark are not shown as figures, the table has them with that word."""
        speeds = (
            ("ttft", f"{ttft * 1000:.0f} ms" if ttft is not None else "–"),
            ("decode", f"{decode:.0f} tok/s" if decode else "–"),
        )
        for name, text in speeds:
            self.query_one(f"#gauge-{name}", Gauge).show("void" if void else text)
        self.query_one("#gauge-rss", Gauge).show(bytes_text(rss) if rss else "–")
        self.query_one("#gauge-cpu", Gauge).show(
            f"{cpu * 100:.0f} %" if cpu is not None else "–", fraction=cpu
        )

    def _clear_document(self) -> None:
        for name in ("figures", "clients"):
            table = self.query_one(f"#{name}", DataTable)
            table.clear()
            table.display = False
        self.query_one("#notes", Words).update("")

    def _show_document(self, document: BenchDocument) -> None:
        for name, rows in (("figures", figure_rows), ("clients", client_rows)):
            table = self.query_one(f"#{name}", DataTable)
            table.clear()
            table.add_rows(rows(document) if document is not None else ())
            table.display = table.row_count > 0
        result = find_result(document, self.session.target)
        if result is not None and result["cases"]:
            first = result["cases"][0]
            self._gauges(
                ttft=first["ttft_s"]["median"] if "ttft_s" in first else None,
                decode=first["decode_tps"]["median"] if "decode_tps" in first else None,
                rss=result["rss_bytes"]["peak"] if "rss_bytes" in result else None,
                cpu=processor_share(result),
                void=document["void"],
            )
        added = [
            case["summary"] for entry in document.get("overhead", []) for case in entry["cases"]
        ]
        notes = [*added, *document["notes"]]
        self.query_one("#notes", Words).update(
            Content("\n").join(
                [
                    Content(
                        "Void: measure again before you use these figures. Median (min–max)"
                        if document["void"]
                        else "median (min–max); all figures measured here"
                    ),
                    *(Content(one_line(note, 400)) for note in notes),
                ]
            )
        )
