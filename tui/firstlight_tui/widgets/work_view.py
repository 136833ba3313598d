"""How far long work is, honestly: the stage, what is counted, the time; no invented percentages."""

from textual.content import Content

from firstlight_core.crowding import crowding
from firstlight_core.process.remaining import remaining_words
from firstlight_core.text import seconds_text
from firstlight_tui.state.job_list import count_text
from firstlight_tui.state.work import Work, waits_words
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets.words import Words, part

SILENT_SECONDS = 120
SPINNER = "◐◓◑◒"


def waiting_words(work: Work) -> Content:
    """The line of waiting work: when it begins, and where to look."""
    return Content.styled(
        f"○ In the queue: it begins {waits_words(work)}. F3 shows the jobs.", "$text-accent"
    )


class WorkView(Words):
    """The stages of one piece of work."""

    DEFAULT_CSS = "WorkView { height: auto; margin: 1 0; }"

    def show(self, work: Work | None) -> None:
        """Paint the work, or nothing."""
        if work is None:
            self.update("")
            return
        lines = [self._stage_line(work, index) for index in range(len(work.stages))]
        lines.append(self._closing_line(work))
        if work.running and work.pid is not None:
            crowded = crowding(workspace_of(self).history.samples)
            if crowded is not None:
                lines.append(Content.styled(f"! {crowded.words}", "$text-warning"))
        self.update(Content("\n").join(lines))

    def _stage_line(self, work: Work, index: int) -> Content:
        stage, begun = work.stages[index]
        last = index == len(work.stages) - 1
        until = work.seconds if last else work.stages[index + 1][1]
        duration = part(f"  {seconds_text(until - begun)}", "$foreground-muted")
        if not last or work.status == "done":
            return Content.assemble(part("✓ ", "$text-success"), part(stage.label), duration)
        if work.status != "running":
            return Content.assemble(part("✗ ", "$text-error"), part(stage.label), duration)
        spin = SPINNER[int(work.seconds * 4) % len(SPINNER)]
        pieces = [part(f"{spin} ", "bold $text-accent"), part(stage.label, "bold")]
        if (p := work.progress) is not None:
            pieces.append(part(f"  {count_text(p.done, p.total, p.unit)}", "$text-accent"))
            if p.total:
                full = round(20 * min(1.0, p.done / p.total))
                pieces += [
                    part("  " + "━" * full, "$primary"),
                    part("─" * (20 - full), "$foreground-muted"),
                ]
            if p.note:
                pieces.append(part(f"  {p.note}", "$foreground-muted"))
        return Content.assemble(*pieces, duration)

    def _closing_line(self, work: Work) -> Content:
        time = seconds_text(work.seconds)
        match work.status:
            case "waiting":
                return waiting_words(work)
            case "running":
                words = f"{time} so far"
                if work.remaining is not None and (left := remaining_words(work.remaining)):
                    words += f"; {left}"
                if work.silent_seconds > SILENT_SECONDS:
                    words += f". No output for {seconds_text(work.silent_seconds)}; the process is still running."
                return Content.styled(words, "$foreground-muted")
            case "done":
                return Content.assemble(part(f"Done in {time}", "bold $text-success"))
            case "cancelled":
                words = "what was finished is kept" if work.has_part else "nothing was left behind"
                return Content.assemble(part(f"Stopped after {time}; {words}", "$text-warning"))
            case _:
                return Content.assemble(part(f"Failed after {time}", "bold $text-error"))
