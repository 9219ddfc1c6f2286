"""Requests that do not come from the page itself are refused.

A page of somebody else, open in the same browser, could otherwise send files here, or reach the
server under a name of its own (DNS rebinding).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

READING = ("GET", "HEAD", "OPTIONS")


class OwnPage:
    """ASGI middleware that answers 403 to what another page asks for.

    Parameters
    ----------
    app : ASGIApp
    names : tuple of str
        Host names under which the page is served; none lets any pass.
    """

    def __init__(self, app: ASGIApp, names: tuple[str, ...]):
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or self._is_own(scope["method"], Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        await PlainTextResponse("Not from this page.", 403)(scope, receive, send)

    def _is_own(self, method: str, headers: Headers) -> bool:
        host = headers.get("host", "")
        if self._names and urlsplit(f"//{host}").hostname not in self._names:
            return False
        origin = headers.get("origin")
        return method in READING or origin is None or urlsplit(origin).netloc == host
