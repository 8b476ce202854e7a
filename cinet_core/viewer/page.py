"""The relay between the library's web server and the browser, which may then talk to this machine only."""

from __future__ import annotations

import shutil
import threading
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

__all__ = ["Page", "policy"]

TIMEOUT = 30.0
# Whatever proxy the environment names: it knows nothing of this machine's own ports.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_PASSED_ON = ("Content-Type", "Content-Length", "Content-Encoding", "rerun-final-length")


def policy(data_origin: str) -> str:
    """The Content-Security-Policy: scripts, styles and images of the page itself, data of one more origin.

    Args:
        data_origin: such as ``http://127.0.0.1:9876``.
    """
    return "; ".join(
        (
            "default-src 'self'",
            # WebAssembly, and the glue around it, is compiled from text.
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "worker-src 'self' blob:",
            f"connect-src 'self' {data_origin} data: blob:",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


class Page:
    """Serves the page on threads of its own until it is closed.

    Args:
        host: to listen at.
        port: to listen at; 0: any that is free.
        source: where the library serves its page, such as ``http://127.0.0.1:1234``.
        query: what the page is told; a browser that asks for the bare page is sent there.
        data_origin: the one other origin that the page may talk to.

    Attributes:
        port: that it listens at.

    Raises:
        OSError: it cannot listen there.
    """

    def __init__(self, host: str, port: int, source: str, query: str, data_origin: str) -> None:
        class Handler(_Relay):
            pass

        Handler.source, Handler.query, Handler.policy = source, query, policy(data_origin)
        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="viewer_page", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop to listen."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Relay(BaseHTTPRequestHandler):
    source = ""
    query = ""
    policy = ""

    def do_GET(self) -> None:
        """Answer with what the library's server has under the same path."""
        parts = urlsplit(self.path)
        if parts.path == "/" and not parts.query:
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", f"/?{self.query}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        try:
            with _DIRECT.open(f"{self.source}{parts.path}", timeout=TIMEOUT) as answer:
                self.send_response(answer.status)
                for name in _PASSED_ON:
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Security-Policy", self.policy)
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                shutil.copyfileobj(answer, self.wfile)
        except HTTPError as error:
            self.send_error(error.code)
        except (URLError, TimeoutError):
            self.send_error(HTTPStatus.BAD_GATEWAY, "the viewer's server has ended")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the tab was closed meanwhile

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: every file of the page would be a line."""
