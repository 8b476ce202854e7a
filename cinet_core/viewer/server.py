"""A live viewer in a browser tab: the library's server in a process of its own, and a page that stays on this machine.

The page that the library serves loads fonts from elsewhere and reports its use to the library's makers, and the server
does so too. Neither happens here: the server's process is told not to, and the page reaches the browser through a relay
that adds a Content-Security-Policy, by which the browser itself refuses every other address.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from cinet_core.viewer.library import ViewerError, load_rerun
from cinet_core.viewer.page import Page

__all__ = ["DATA_PORT", "LOCALHOST", "PORT", "ViewerServer", "executable", "quiet_environment"]

LOCALHOST = "127.0.0.1"
UNSPECIFIED = ("", "0.0.0.0", "::")
PORT = 9090
DATA_PORT = 9876
START_TIMEOUT = 30.0
STOP_TIMEOUT = 5.0
MEMORY_LIMIT = "1GiB"

_POLL_SECONDS = 0.05
_LOG_TAIL = 2000


class ViewerServer:
    """Serves one live viewer until it is closed.

    What is recorded is kept in the server's memory, so that a tab opened later shows it too; beyond the limit the
    oldest frames go.

    Args:
        host: address to listen at. Others than this machine's own let everybody in that network see the recording:
            there is no access control.
        port: of the page.
        data_port: of the data.
        memory_limit: of the server, as "512MiB" or "1GiB".

    Attributes:
        url: to open in a browser.
        address: of the data, for `Recording` and for a viewer on the desktop: ``rerun ADDRESS``.
        folder: of the server's own settings and log, until it is closed.

    Raises:
        ViewerError: the library is not there, the host is all addresses or not one of this machine's, a port is taken,
            or the server does not start.
    """

    def __init__(
        self, host: str = LOCALHOST, port: int = PORT, data_port: int = DATA_PORT, memory_limit: str = MEMORY_LIMIT
    ) -> None:
        load_rerun()
        if host in UNSPECIFIED:
            raise ViewerError(f"host is {host!r}: the page has to name an address; give the one that others reach")
        for number in (port, data_port):
            _check_free(host, number)
        self.address = f"rerun+http://{host}:{data_port}/proxy"
        self.url = f"http://{host}:{port}/"
        assets_port = _free_port()
        with contextlib.ExitStack() as undo:
            self.folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="cinet_viewer_")))
            self._log = self.folder / "server.log"
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [
                        *_ends_with_its_parent(),
                        str(executable()),
                        "--serve-web",
                        f"--bind={host}",
                        f"--port={data_port}",
                        f"--web-viewer-port={assets_port}",
                        f"--server-memory-limit={memory_limit}",
                        "--newest-first",  # a page that is opened late begins with what is there now
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=quiet_environment(self.folder),
                    start_new_session=True,  # Ctrl-C is for the recording first
                )
            undo.callback(self._end_process)
            for number in (data_port, assets_port):
                self._wait_for(host, number)
            query = f"url={quote(self.address, safe='')}&hide_welcome_screen=1"
            self._page = Page(host, port, f"http://{host}:{assets_port}", query, f"http://{host}:{data_port}")
            undo.callback(self._page.close)
            self._undo = undo.pop_all()

    def __enter__(self) -> ViewerServer:
        """The server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @property
    def running(self) -> bool:
        """Whether its process is still there."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def close(self) -> None:
        """End the server; open tabs keep what they have. May be called again."""
        self._undo.close()

    def _end_process(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for(self, host: str, port: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0):
                return
            if not self.running or time.monotonic() > deadline:
                told = self._log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]
                what = "ended" if not self.running else f"does not listen at port {port} after {START_TIMEOUT:g} s"
                raise ViewerError(f"the viewer's server {what}; it said:\n{told}")
            time.sleep(_POLL_SECONDS)


def executable() -> Path:
    """The library's own program, which comes in its wheel.

    Raises:
        ViewerError: it is not there.
    """
    import rerun_cli

    name = "rerun.exe" if os.name == "nt" else "rerun"
    path = Path(rerun_cli.__file__).parent / name
    if not path.is_file():
        raise ViewerError(f"{path} is missing: install rerun-sdk anew")
    return path


def quiet_environment(folder: Path) -> Mapping[str, str]:
    """The environment of this process, but for what makes the library report its use.

    By its source it reports nothing in CI, nor where its settings, which this places into an empty folder, say so.
    """
    settings = folder / "rerun" / "analytics.json"
    settings.parent.mkdir()
    data = folder / "rerun" / "analytics"
    content = {
        "analytics_enabled": False,
        "analytics_id": "",
        "metadata": {},
        "config_file_path": str(settings),
        "data_dir_path": str(data),
    }
    settings.write_text(json.dumps(content), encoding="utf-8")
    return {**os.environ, "CI": "true", "XDG_CONFIG_HOME": str(folder), "FORCE_RERUN_ANALYTICS": "0"}


def _ends_with_its_parent() -> list[str]:
    """Command before the server's, so that it ends even where this process is killed; empty where there is none."""
    command = shutil.which("setpriv")  # of util-linux
    return [command, "--pdeathsig", "TERM"] if command else []


def _check_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ViewerError(
                f"{host}:{port} cannot be listened at ({error.strerror}): end the viewer that is there, or give "
                "another port"
            ) from error


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOCALHOST, 0))
        return int(probe.getsockname()[1])
