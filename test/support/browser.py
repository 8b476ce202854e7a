"""A page in headless Chromium, over its debugging port: what it looks like after a while, and what it asked for.

``python test/support/browser.py http://127.0.0.1:9090/ page.png`` takes a screenshot of the viewer's page; without a
GPU it is drawn by SwiftShader, about once a second, so that all of it takes a minute.
"""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

SIZE = (1600, 1010)
SECONDS = 70.0
START_TIMEOUT = 30.0
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--remote-debugging-port=0", "--hide-scrollbars", "--no-first-run", "--disable-background-networking"),
)


@dataclass
class Visit:
    """What became of a page.

    Attributes:
        screenshot: PNG.
        requested: addresses that the page asked for, whether or not it got them.
        refused: how many the page's own policy stopped.
    """

    screenshot: bytes = b""
    requested: list[str] = field(default_factory=list)
    refused: int = 0


def chromium() -> str | None:
    """The program, where it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def visit(url: str, seconds: float = SECONDS) -> Visit:
    """Open a page, give it time, and take a screenshot of it."""
    with tempfile.TemporaryDirectory() as home:
        command = [str(chromium()), *_FLAGS, f"--window-size={SIZE[0]},{SIZE[1]}", f"--user-data-dir={home}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                return asyncio.run(_visit(_port(Path(home)), url, seconds))
            finally:
                process.terminate()


def _port(home: Path) -> int:
    """That the browser has chosen; it says so in a file."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with suppress(OSError, IndexError, ValueError):
            return int((home / "DevToolsActivePort").read_text(encoding="utf-8").split()[0])
        time.sleep(0.1)
    raise TimeoutError(f"Chromium has not opened its debugging port within {START_TIMEOUT:g} s")


async def _visit(port: int, url: str, seconds: float) -> Visit:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            tab = next(tab for tab in await answer.json() if tab["type"] == "page")
        async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = _Page(socket)
            for domain in ("Network", "Page"):
                await page.ask(f"{domain}.enable")
            dark = [{"name": "prefers-color-scheme", "value": "dark"}]
            await page.ask("Emulation.setEmulatedMedia", features=dark)
            await page.ask("Page.navigate", url=url)
            await page.listen(seconds)
            answer = await page.ask("Page.captureScreenshot", format="png")
            page.visit.screenshot = base64.b64decode(answer["data"])
            return page.visit


class _Page:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.visit = Visit()
        self._socket = socket
        self._number = 0

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command of the DevTools protocol and return its result."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._receive()
            if message.get("id") == self._number:
                return message["result"]

    async def listen(self, seconds: float) -> None:
        """Note what the page does for a while."""
        with suppress(asyncio.TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._receive()

    async def _receive(self) -> dict[str, Any]:
        message = await self._socket.receive_json()
        if message.get("method") == "Network.requestWillBeSent":
            self.visit.requested.append(message["params"]["request"]["url"])
        elif message.get("method") == "Network.loadingFailed":
            self.visit.refused += message["params"].get("blockedReason") == "csp"
        return message


def main() -> None:
    """Write the screenshot, with the 256 colours that are enough for it."""
    url, path = sys.argv[1:]
    screenshot = Image.open(io.BytesIO(visit(url).screenshot)).convert("RGB")
    screenshot.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
