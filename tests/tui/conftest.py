"""The wizard as a fixture: services that answer at once, a machine that never changes."""

from collections.abc import Iterator
from typing import Any

import pytest
from textual.widgets import Input, TextArea

from firstlight_core.monitor import History, Sample
from firstlight_tui.app import WizardApp
from tests.support.headless import share_styles, wait_for_the_loop
from tests.support.pilot import Build
from tests.support.wizard_documents import GIB
from tests.support.wizard_services import Called, fake_services


@pytest.fixture
def called() -> Called:
    return Called()


@pytest.fixture
def history() -> History:
    """A machine that never changes."""
    return History(
        read=lambda: Sample(
            cpu=37.0, memory_used=6 * GIB, memory_total=16 * GIB, disk_free=80 * GIB
        )
    )


@pytest.fixture
def wizard(called: Called, history: History) -> Build:
    """Build a wizard; any argument of `WizardApp` may be given."""

    def build(**overrides: Any) -> WizardApp:
        services = overrides.pop("services", None) or fake_services(called)
        return WizardApp(
            **{"services": services, "history": history, "sample_every": 3600.0, **overrides}
        )

    return build


@pytest.fixture(autouse=True)
def steady_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blinking cursor would make pictures differ."""
    monkeypatch.setattr(Input, "cursor_blink", False)
    monkeypatch.setattr(TextArea, "cursor_blink", False)


@pytest.fixture(scope="session", autouse=True)
def headless() -> Iterator[None]:
    """A wizard parses no style that another one has parsed, and is idle when its loop is."""
    with pytest.MonkeyPatch.context() as patch:
        share_styles(patch)
        wait_for_the_loop(patch)
        yield
