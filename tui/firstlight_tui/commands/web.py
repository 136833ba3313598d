"""`firstlight --web`: the wizard in a browser on this machine, through textual-serve.

A wizard can read files and start programs, so its page is the user's alone: it is bound to the loopback address, opens
with a key that only the printed address holds, and takes a WebSocket from its own page only. Another page in the same
browser, a name that was bent to the loopback address and other users of the machine are refused.
"""

import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Sequence
from hmac import compare_digest
from typing import TYPE_CHECKING

from firstlight_core.errors import FirstlightError, StateProblem, UsageError
from firstlight_core.shells import command_line
from firstlight_tui.commands.output import fail, say

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

HOST = "127.0.0.1"
IN_BROWSER = "FIRSTLIGHT_IN_BROWSER"
"""Set for a wizard whose screen is a page; `__main__` reads it."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws://{address}; frame-ancestors 'none'"
)
"""Keeps the page offline: textual-serve's template asks a font service for its font, and has a copy of its own."""
SCRIPT = """<script>
new MutationObserver((_, watcher) => {
  if (!document.body.classList.contains("-first-byte")) return;
  watcher.disconnect();
  document.querySelector(".xterm-helper-textarea").focus();
}).observe(document.body, { attributeFilter: ["class"] });
addEventListener("beforeunload", (event) => {
  const { classList } = document.body;
  if (classList.contains("-first-byte") && !classList.contains("-closed")) event.preventDefault();
});
</script>
"""
"""Keys go to the wizard from its first frame on, and a page that is closed while the wizard runs asks first."""
CLOSING_SECONDS = 5.0


class LoopbackGuard:
    """Decides which requests belong to the page that the user opened."""

    def __init__(self, port: int, key: str) -> None:
        self.address = f"{HOST}:{port}"
        self.key = key
        self.cookie = f"firstlight-{port}"

    def refuses(self, *, host: str, path: str, origin: str | None, cookie: str) -> bool:
        """Return whether a request is another page's, or nobody's who knows the key."""
        if host != self.address:
            return True
        if path == "/ws" and origin != f"http://{self.address}":
            return True
        return not compare_digest(cookie.encode(), self.key.encode())

    def opens(self, *, host: str, path: str, key: str) -> bool:
        """Return whether a request is the printed address."""
        return (
            host == self.address and path == "/" and compare_digest(key.encode(), self.key.encode())
        )


def serve_wizard(
    *, demo: bool = False, model: str | None = None, port: int = 0, open_page: bool = True
) -> None:
    """Serve the wizard until Ctrl+C, then leave with its exit code. Each page that is opened is a wizard of its own.

    `port` 0 takes any free one.
    """
    try:
        listener = _listener(port)
        application, address = web_application(listener, demo=demo, model=model)
    except FirstlightError as error:
        fail({"schema": "firstlight/firstlight/1"}, error, as_json=False)
    from aiohttp import web

    say(f"The wizard is at  {address}")
    say("Only this machine can open it, and only with this address. Ctrl+C ends it.")
    if open_page:
        webbrowser.open(address)
    web.run_app(
        application, sock=listener, print=None, shutdown_timeout=CLOSING_SECONDS, access_log=None
    )
    raise SystemExit(0)


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StateProblem(
            f"Port {port} cannot be used: {reason}.",
            hint="Leave --port out, and a free one is taken.",
        ) from error


def web_application(
    listener: socket.socket, *, demo: bool, model: str | None
) -> "tuple[web.Application, str]":
    """Return the server and the address that opens it.

    Raises:
        UsageError: textual-serve is not installed.
    """
    try:
        import aiohttp_jinja2
        import jinja2
        from aiohttp import web
        from textual_serve.server import Server
    except ImportError as error:
        from firstlight_core.environment.toolchain import install_line

        raise UsageError(
            "The wizard in a browser needs the package textual-serve.",
            hint=install_line("web"),
        ) from error
    port = listener.getsockname()[1]
    guard = LoopbackGuard(port, secrets.token_urlsafe(24))
    os.environ[IN_BROWSER] = "1"
    server = Server(
        command_line(wizard_command(demo=demo, model=model)),
        host=HOST,
        port=port,
        title="Firstlight",
        public_url=f"http://{guard.address}",
    )
    application = web.Application(middlewares=[_middleware(guard)])
    aiohttp_jinja2.setup(application, loader=jinja2.FileSystemLoader(server.templates_path))
    application.add_routes(
        [
            web.get("/", server.handle_index, name="index"),
            web.get("/ws", server.handle_websocket, name="websocket"),
            web.get("/download/{key}", server.handle_download, name="download"),
            web.static("/static", server.statics_path, name="static"),
        ]
    )
    return application, f"http://{guard.address}/?key={guard.key}"


def wizard_command(*, demo: bool, model: str | None) -> Sequence[str]:
    """Return the command of the wizard behind one page; `-P` keeps modules of the current folder out."""
    words = [sys.executable, "-P", "-m", "firstlight_tui"]
    if model is not None:
        return [*words, model]
    return [*words, "--demo"] if demo else words


def _middleware(guard: LoopbackGuard) -> "Middleware":
    from aiohttp import web

    @web.middleware
    async def guarded(request: web.Request, handler: "Handler") -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if guard.opens(host=host, path=request.path, key=request.query.get("key", "")):
            # The key leaves the address bar, and with it the history of the browser.
            entered = web.HTTPSeeOther("/")
            entered.set_cookie(guard.cookie, guard.key, httponly=True, samesite="Strict")
            return entered
        if guard.refuses(
            host=host,
            path=request.path,
            origin=request.headers.get("Origin"),
            cookie=request.cookies.get(guard.cookie, ""),
        ):
            raise web.HTTPForbidden(text="Open the address that `firstlight --web` printed.\n")
        response = await handler(request)
        if isinstance(response, web.Response) and request.path == "/":
            response.text = (response.text or "").replace("</body>", f"{SCRIPT}</body>")
        if not response.prepared:
            response.headers["Content-Security-Policy"] = POLICY.format(address=guard.address)
            response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return guarded
