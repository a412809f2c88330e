"""Posts bytes to a server by urllib3, within a time and reading no more of an answer than is of use."""

import base64
import functools
import http.client
import io
import logging
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from perftrace.messages import Message

if TYPE_CHECKING:
    import urllib3

MAX_ANSWER = 64 << 10
"""Bytes of an answer's body that are read."""
_DELIMITERS = '()<>@,;:\\"/[]?={}'
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Endpoint(NamedTuple):
    """Where to post to: a URL taken apart, its credentials apart from the rest."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query, if there is one."""
    authorization: str | None
    """The value of a header, if the URL has a user's name."""

    @property
    def url(self) -> str:
        """Without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path or '/'}"

    @property
    def shown(self) -> str:
        """What may stand in a log: no credentials, no query."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path.partition('?')[0]}"


def parse_url(url: object) -> Endpoint:
    """Split a URL.

    Raises TypeError for what is no text, and ValueError that says which part makes no sense and shows no credentials.
    """
    if not isinstance(url, str):
        raise TypeError(f"a URL is text, not {type(url).__name__}")
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("the URL holds a blank or a control character")
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise ValueError(f"the URL's host makes no sense: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(
            f"the URL's scheme must be http or https, not {parts.scheme!r}: write http://HOST:PORT"
            if "://" in url
            else "the URL has no scheme: write http://HOST:PORT"
        )
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the URL's port must be a number from 1 to 65535") from None
    if port == 0:
        raise ValueError("the URL's port must be a number from 1 to 65535")
    if not parts.hostname:
        raise ValueError("the URL has no host: write http://HOST:PORT")
    if parts.fragment:
        raise ValueError("the URL has a fragment (#...), which no server gets to see")
    return Endpoint(
        parts.scheme,
        _ascii_host(parts.hostname),
        port or (443 if parts.scheme == "https" else 80),
        urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~-._") + (f"?{parts.query}" if parts.query else ""),
        _authorization(parts.username, parts.password),
    )


def _ascii_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise ValueError("the URL's host makes no sense") from None


def _authorization(user: str | None, password: str | None) -> str | None:
    if user is None and password is None:
        return None
    pair = f"{urllib.parse.unquote(user or '')}:{urllib.parse.unquote(password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def check_header(name: object, value: object) -> None:
    """Raise ValueError for a header that cannot be sent; its value is not shown."""
    if (
        not isinstance(name, str)
        or not name
        or not all("!" <= c <= "~" and c not in '()<>@,;:\\"/[]?={}' for c in name)
    ):
        raise ValueError(f"{name!r} is no name of a header")
    if not isinstance(value, str) or not all(" " <= c <= "~" or c == "\t" for c in value):
        raise ValueError(f"the value of the header {name} must be ASCII text on one line")


class Response(NamedTuple):
    """What a server said."""

    status: int
    content_type: str
    """Lower-case, without parameters."""
    retry_after: str | None
    body: bytes
    """At most `MAX_ANSWER` bytes."""


class HttpClient:
    """Posts to one target, over one connection as long as the server keeps it.

    headers: sent each time. certificates: by which an https server is known. Proxies are taken from the environment,
    as `urllib` does. Not to be used by two threads at once. Raises ModuleNotFoundError where urllib3 is not installed.
    """

    def __init__(
        self, target: Endpoint, headers: Mapping[str, str], certificates: ssl.SSLContext | None = None
    ) -> None:
        _pool_classes()
        self._target = target
        self._headers = dict(headers)
        if target.authorization is not None:
            self._headers.setdefault("Authorization", target.authorization)
        self._certificates = certificates
        self._pools: urllib3.PoolManager | None = None
        self._is_used = False
        """Whether a connection may have been kept."""
        self._time = _Time()

    def post(self, body: bytes, seconds: float, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
        """Post and read the answer, all within so many seconds.

        headers: beside those sent each time.

        Raises OSError where the server cannot be reached, is too slow (TimeoutError), or does not speak HTTP.
        """
        self._time.deadline = time.monotonic() + seconds
        if self._is_used:
            try:
                return self._exchange(body, headers)
            except ConnectionError:
                pass  # the server had closed the kept connection meanwhile: that says nothing about it
        return self._exchange(body, headers)

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> Response:
        from urllib3.exceptions import HTTPError

        _own.is_busy = True
        try:
            response = self._connected().urlopen(
                "POST",
                self._target.url,
                body=body,
                headers={**self._headers, **headers},
                timeout=self._time.left(),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            self._is_used = True
            content = response.read(MAX_ANSWER)
            if len(content) < MAX_ANSWER:
                response.release_conn()
            else:
                response.close()
        except BaseException as error:
            self.close()
            if isinstance(error, HTTPError):
                raise _as_os_error(error) from error
            raise
        finally:
            _own.is_busy = False
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Response(response.status, kind, response.headers.get("Retry-After"), content)

    def _connected(self) -> "urllib3.PoolManager":
        if self._pools is None:
            self._pools = self._new_pools()
            self._pools.pool_classes_by_scheme = {
                scheme: functools.partial(pool, time=self._time)  # type: ignore[misc]  # called as a class is
                for scheme, pool in _pool_classes().items()
            }
        return self._pools

    def _new_pools(self) -> "urllib3.PoolManager":
        import urllib3

        options: dict[str, Any] = {"num_pools": 1, "maxsize": 1}
        if self._target.scheme == "https":
            options["ssl_context"] = self._certificates or ssl.create_default_context()
        proxy = self._proxy()
        if proxy is None:
            return urllib3.PoolManager(**options)
        sent = {} if proxy.authorization is None else {"Proxy-Authorization": proxy.authorization}
        return urllib3.ProxyManager(proxy.url, proxy_headers=sent, **options)

    def _proxy(self) -> Endpoint | None:
        target = self._target
        url = urllib.request.getproxies().get(target.scheme)
        places = target.host, f"{target.host}:{target.port}"
        if not url or target.host in _LOOPBACK or any(map(urllib.request.proxy_bypass, places)):
            return None
        try:
            return parse_url(url if "://" in url else f"http://{url}")
        except ValueError as error:
            raise ValueError(f"the proxy of {target.scheme}_proxy: {error}") from None

    def close(self) -> None:
        """Close the connection; the next post makes another."""
        pools, self._pools, self._is_used = self._pools, None, False
        if pools is not None:
            pools.clear()


class _Time:
    """Until when an exchange has to be over, for the connections of a client."""

    deadline = 0.0

    def left(self) -> float:
        """Return the seconds left; raises TimeoutError where there are none."""
        return _left(self.deadline)

    def response(self, sock: socket.socket, *rest: Any, **options: Any) -> http.client.HTTPResponse:
        """Make what reads an answer, a proxy's too, up to the deadline, however slowly it comes."""
        return http.client.HTTPResponse(TimedConnection(sock, self.deadline), *rest, **options)  # type: ignore[arg-type]


class _Own(threading.local):
    """Whether this thread is in an exchange of ours."""

    is_busy = False


_own = _Own()


def _is_foreign(record: logging.LogRecord) -> bool:
    """Keep urllib3 from logging our exchanges: it would show the query of the URL, which may hold a key."""
    return not _own.is_busy


@functools.cache
def _pool_classes() -> dict[str, Any]:
    """Return urllib3's pools, with connections that keep to an exchange's time: its own time-outs are for one read."""
    try:
        import urllib3
        from urllib3 import connection
    except ImportError:
        raise ModuleNotFoundError(Message("needs_urllib3"), name="urllib3") from None
    for name in ("urllib3.connection", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_is_foreign)

    class Timed:
        def __init__(self, *arguments: Any, time: _Time, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.time = time
            setattr(self, "response_class", time.response)  # noqa: B010  # typed as a class

        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn()  # type: ignore[misc]
            made.settimeout(self.time.left())  # a handshake that follows has what is left
            return made

        def _tunnel(self) -> None:
            super()._tunnel()  # type: ignore[misc]
            self.sock.settimeout(self.time.left())  # type: ignore[attr-defined]

    class Connection(Timed, connection.HTTPConnection):
        pass

    class SecureConnection(Timed, connection.HTTPSConnection):
        pass

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


def _as_os_error(error: Exception) -> OSError:
    """Return the error of the system that one of urllib3's tells of, or one with its text."""
    from urllib3.exceptions import TimeoutError as TooSlow

    inner: BaseException | None = error
    told: BaseException = error
    while inner is not None:
        told = inner
        causes = [*reversed(inner.args), inner.__cause__]
        if isinstance(inner, OSError):
            return inner
        inner = next((cause for cause in causes if isinstance(cause, BaseException)), None)
    if isinstance(error, TooSlow):
        return TimeoutError("timed out")
    return OSError(f"{type(told).__name__}: {told}")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class TimedConnection:
    """A socket as `HTTPResponse` takes it, whose reading ends at a deadline; a socket's own timeout is for one read."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the file that is read."""
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._deadline))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
