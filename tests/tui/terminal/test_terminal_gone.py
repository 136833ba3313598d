"""The terminal's window is closed: what is still written must hold up nobody. And what it sends may be no text."""

import os
import sys
import threading
from collections.abc import Callable

import pytest
from textual import events
from textual.message import Message

from firstlight_tui.app import WizardApp

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="of the driver for Linux and macOS")


def test_the_writing_thread_outlives_the_terminal() -> None:
    from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread

    from firstlight_tui.terminal.driver import Vanishing

    reading, writing = os.pipe()
    os.close(reading)
    terminal = os.fdopen(writing, "w", buffering=1)
    thread = WriterThread(Vanishing(terminal))  # type: ignore[arg-type]
    thread.start()

    def write() -> None:
        for _ in range(3 * MAX_QUEUED_WRITES):
            thread.write("words\n")
        thread.stop()

    # It would wait for ever where nobody takes the words.
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(20)
    assert not writer.is_alive()
    with pytest.raises(BrokenPipeError):
        terminal.close()


def test_the_wizard_uses_the_driver_that_lasts(wizard: Callable[..., WizardApp]) -> None:
    from firstlight_tui.terminal.driver import LastingDriver

    assert wizard().driver_class is LastingDriver


async def test_bytes_that_are_no_text_end_nothing(wizard: Callable[..., WizardApp]) -> None:
    from firstlight_tui.terminal.driver import LastingDriver

    heard: list[str] = []

    class Hearing(LastingDriver):
        def process_message(self, message: Message) -> None:
            if isinstance(message, events.Key):
                heard.append(message.character or "")
                if message.character == "b":
                    self.exit_event.set()

    reading, writing = os.pipe()
    driver = Hearing(wizard())
    driver.fileno = reading
    os.write(writing, b"a\xff\xe9b")
    driver.run_input_thread()
    os.close(reading)
    os.close(writing)
    assert heard == ["a", "\ufffd", "\ufffd", "b"]
