"""The wizard in a browser: who may open its page, and what the page may ask for."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from firstlight_core.errors import UsageError
from firstlight_tui.commands.web import LoopbackGuard, web_application, wizard_command
from tests.support.program import buffered_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ends the server by a signal")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The printed address of a server that runs."""
    home = tmp_path_factory.mktemp("web")
    server = subprocess.Popen(
        [sys.executable, "-m", "firstlight_tui", "--web", "--demo", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env=buffered_environment(FIRSTLIGHT_HOME=str(home)),
    )
    assert server.stdout is not None
    yield server.stdout.readline().split()[-1]
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0
    server.stdout.close()


def own(address: str) -> str:
    """The origin of the page."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


async def status(
    url: str, *, cookies: dict[str, str] | None = None, **headers: str
) -> tuple[int, aiohttp.typedefs.LooseHeaders]:
    async with (
        aiohttp.ClientSession(cookies=cookies) as session,
        session.get(url, headers=headers, allow_redirects=False) as reply,
    ):
        return reply.status, reply.headers


async def entered(address: str) -> dict[str, str]:
    """The cookie that the printed address gives."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session, session.get(address):
        return {cookie.key: cookie.value for cookie in jar}


async def test_nothing_opens_without_the_key(address: str) -> None:
    for path in ("/", "/?key=guessed", "/static/js/textual.js", "/ws", "/download/1", "/nothing"):
        assert (await status(f"{own(address)}{path}"))[0] == 403


async def test_the_address_opens_the_page_and_leaves_the_address_bar(address: str) -> None:
    code, headers = await status(address)
    assert code == 303 and dict(headers)["Location"] == "/"
    assert (
        "HttpOnly" in dict(headers)["Set-Cookie"]
        and "SameSite=Strict" in dict(headers)["Set-Cookie"]
    )
    code, headers = await status(f"{own(address)}/", cookies=await entered(address))
    assert code == 200
    assert "default-src 'self'" in dict(headers)["Content-Security-Policy"]


async def test_another_name_and_another_page_are_refused(address: str) -> None:
    cookies = await entered(address)
    port = urlsplit(address).port
    for host in (f"localhost:{port}", "firstlight.example", "127.0.0.1"):
        assert (await status(f"{own(address)}/", cookies=cookies, Host=host))[0] == 403
    for origin in ("https://firstlight.example", "null", f"http://localhost:{port}"):
        assert (await status(f"{own(address)}/ws", cookies=cookies, Origin=origin))[0] == 403


async def test_the_page_of_the_address_reaches_the_wizard(address: str) -> None:
    cookies = await entered(address)
    async with (
        aiohttp.ClientSession(cookies=cookies) as session,
        session.ws_connect(f"{own(address)}/ws?width=80&height=24", origin=own(address)) as socket,
    ):
        screen = b""
        while b"Environment" not in screen:
            message = await socket.receive(timeout=60)
            assert message.type is aiohttp.WSMsgType.BINARY
            screen += message.data


def test_without_textual_serve_the_hint_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    with pytest.raises(UsageError) as caught, socket.create_server(("127.0.0.1", 0)) as listener:
        web_application(listener, demo=True, model=None)
    assert "textual-serve" in caught.value.hint


def test_the_guard_knows_a_key_by_every_character() -> None:
    guard = LoopbackGuard(8000, "abc")
    assert guard.opens(host="127.0.0.1:8000", path="/", key="abc")
    assert not guard.opens(host="127.0.0.1:8000", path="/", key="ab\xe9")
    assert not guard.opens(host="127.0.0.1:8000", path="/ws", key="abc")
    allowed = {
        "host": "127.0.0.1:8000",
        "path": "/ws",
        "origin": "http://127.0.0.1:8000",
        "cookie": "abc",
    }
    assert not guard.refuses(**allowed)
    for name, value in (("host", ""), ("origin", None), ("cookie", "")):
        assert guard.refuses(**{**allowed, name: value})


def test_the_wizard_of_a_page_opens_on_what_was_named() -> None:
    assert list(wizard_command(demo=True, model=None))[-1] == "--demo"
    assert list(wizard_command(demo=False, model="/my model"))[-1] == "/my model"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--port", "70000"), 2, "'--port'"),
        pytest.param(
            *(("nowhere/at/all",), 1, "There is no folder nowhere/at/all."), marks=pytest.mark.slow
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", "--web", "--no-browser", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == code and words in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_a_port_in_use_is_named(address: str) -> None:
    port = str(urlsplit(address).port)
    ran = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", "--web", "--no-browser", "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"Port {port} cannot be used")


@pytest.mark.slow
def test_a_port_without_a_page_is_a_mistake() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", "--port", "8000"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2 and "belongs to --web" in ran.stderr
