"""A headless Chromium, driven through its DevTools protocol, and the terminal that it shows."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pyte

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
_KEYS = {
    "enter": ("Enter", 13, "\r"),
    "escape": ("Escape", 27, ""),
    "tab": ("Tab", 9, ""),
}
_BINARY = 2


class Page:
    """One page on the wizard: its keys, its mouse, and what its terminal shows."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._next = 0
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._changed = asyncio.Event()
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self.requested: list[str] = []
        """Addresses that the page asked for."""
        self.blocked: list[str] = []
        """Why requests were not sent."""

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Carry out one command of the protocol."""
        self._next += 1
        reply = self._replies[self._next] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._next, "method": method, "params": parameters})
        return await asyncio.wait_for(reply, 30)

    async def listen(self) -> None:
        """Take what the browser says, until it is gone."""
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                self._replies.pop(event["id"]).set_result(event.get("result", {}))
                continue
            self._hear(event["method"], event["params"])
            self._changed.set()

    def _hear(self, method: str, values: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(values["request"]["url"])
        elif method == "Network.loadingFailed":
            self.blocked.append(values.get("blockedReason") or values["errorText"])
        elif method == "Network.webSocketFrameReceived":
            frame = values["response"]
            if frame["opcode"] == _BINARY:
                self._stream.feed(base64.b64decode(frame["payloadData"]))
        elif method == "Network.webSocketFrameSent":
            kind, payload = (*json.loads(values["response"]["payloadData"]), None)[:2]
            if kind == "resize":
                self.screen.resize(payload["height"], payload["width"])

    @property
    def text(self) -> str:
        """What the terminal shows."""
        return "\n".join(self.screen.display)

    async def shows(self, words: str, *, seconds: float = 60.0) -> None:
        """Wait until the terminal shows these words.

        Raises:
            TimeoutError: it does not; the message holds the screen.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while words not in self.text:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise TimeoutError(f"{words!r} is not on the screen:\n{self.text}")
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    async def closes(self, *, seconds: float) -> None:
        """Wait until the wizard has ended and the page says so.

        Raises:
            TimeoutError: it does not; the message holds the screen.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        closed = "document.body.classList.contains('-closed')"
        while True:
            self._changed.clear()
            reply = await self.ask("Runtime.evaluate", expression=closed)
            if reply["result"]["value"]:
                return
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise TimeoutError(f"The wizard goes on:\n{self.text}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    async def press(self, key: str) -> None:
        """Press a key of `_KEYS`, a function key as `f5`, or a character."""
        if key in _KEYS:
            name, code, text = _KEYS[key]
        elif key.startswith("f") and key[1:].isdecimal():
            name, code, text = key.upper(), 111 + int(key[1:]), ""
        else:
            name, code, text = key, ord(key.upper()), key
        common = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    async def click(self, words: str) -> None:
        """Click into the middle of the last of these words on the terminal."""
        row = max(i for i, line in enumerate(self.screen.display) if words in line)
        column = self.screen.display[row].rindex(words) + len(words) // 2
        reply = await self.ask(
            "Runtime.evaluate",
            expression="JSON.stringify(document.querySelector('.xterm-screen').getBoundingClientRect())",
        )
        box = json.loads(reply["result"]["value"])
        centre = {
            "x": box["x"] + (column + 0.5) * box["width"] / self.screen.columns,
            "y": box["y"] + (row + 0.5) * box["height"] / self.screen.lines,
        }
        await self.ask("Input.dispatchMouseEvent", type="mouseMoved", **centre)
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **centre
            )

    async def picture(self, file: Path) -> None:
        """Save a picture of the page."""
        shot = await self.ask("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(shot["data"]))


@contextlib.asynccontextmanager
async def open_page(
    address: str, profile: Path, *, size: tuple[int, int] = (1280, 860)
) -> AsyncIterator[Page]:
    """Open an address in a headless Chromium of its own."""
    assert CHROMIUM is not None
    profile.mkdir(parents=True)
    process = subprocess.Popen(
        [
            CHROMIUM,
            *(
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(
                f"--window-size={size[0]},{size[1]}",
                f"--user-data-dir={profile}",
                "--remote-debugging-port=0",
            ),
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as reply:
                pages = await reply.json()
            target = next(page for page in pages if page["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                listening = asyncio.create_task(page.listen())
                await page.ask("Emulation.setFocusEmulationEnabled", enabled=True)
                for domain in ("Network", "Page", "Runtime"):
                    await page.ask(f"{domain}.enable")
                await page.ask("Page.navigate", url=address)
                yield page
                listening.cancel()
    finally:
        process.kill()
        process.wait()


async def _port(file: Path) -> int:
    """Return the port that the browser has written down, once it has."""
    async with asyncio.timeout(60):
        while not (file.is_file() and (lines := file.read_text().splitlines())):
            await asyncio.sleep(0.05)
    return int(lines[0])
