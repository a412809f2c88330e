"""Posting: URLs that make no sense, and servers that behave badly, each within its time."""

import contextlib
import gzip
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from perftrace.sinks.http_client import MAX_ANSWER, HttpClient, check_header, parse_url
from tests.conftest import TIMEOUT
from tests.sinks.servers import OK, answering, read_request, server


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "no scheme"), ("localhost:4318", "no scheme"), ("ftp://host", "scheme must be http or https, not 'ftp'"),
        ("http://", "no host"), ("http:///v1/traces", "no host"), ("http://:4318", "no host"),
        ("http://host:99999", "port"), ("http://host:x", "port"), ("http://host:0", "port"), ("http://host:-1", "port"),
        ("http://[::1", "host makes no sense"), ("http://ho st/", "blank"), ("http://host/\n", "blank"),
        ("http://host/#top", "fragment"), ("https://" + "ä" * 70, "host makes no sense"),
    ],
)  # fmt: skip
def test_the_part_that_makes_no_sense_is_named(url, part):
    """In one line."""
    with pytest.raises(ValueError, match=part) as caught:
        parse_url(url)
    assert "\n" not in str(caught.value)


def test_credentials_go_into_a_header_and_are_never_shown():
    """Nor is a query, which may hold a key."""
    target = parse_url("https://me:s%40cret@[::1]/a b?key=1".replace(" ", "%20"))
    assert target.shown == "https://[::1]:443/a%20b"
    assert target.authorization == "Basic bWU6c0BjcmV0"
    for url in ("http://me:secret@host:x/", "ftp://me:secret@host", "http://me:secret@:1/"):
        with pytest.raises(ValueError, match="URL") as caught:
            parse_url(url)
        assert "secret" not in str(caught.value)


@given(st.text() | st.from_regex(r"https?://[^\s]{0,30}"))
def test_any_text_is_a_target_or_a_value_error(url):
    """Never another exception."""
    with contextlib.suppress(ValueError):
        target = parse_url(url)
        assert target.host
        assert 0 < target.port < 65536


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "x"), ("", "x"), ("a:", "x"), ("a", "x\r\nb: y"), ("a", "é"), ("a", 5)]
)
def test_headers_that_would_be_others_are_refused(name, value):
    """And their values not shown."""
    with pytest.raises(ValueError, match="header") as caught:
        check_header(name, value)
    assert "é" not in str(caught.value)


def poster(url):
    return HttpClient(parse_url(url + "/path?x=1"), {"X-Key": "k"})


def test_a_kept_connection_is_used_again_and_made_anew_when_closed():
    """One closed by the server meanwhile is no failure."""
    with server(answering(OK, OK), answering(OK)) as (url, requests):
        post = poster(url)
        for number in range(3):
            answer = post.post(b"body%d" % number, 5)
            assert (answer.status, answer.content_type, answer.body) == (200, "application/x-protobuf", b"ok")
        post.close()
    assert [request.rpartition(b"\r\n\r\n")[2] for request in requests] == [b"body0", b"body1", b"body2"]
    assert requests[0].startswith(b"POST /path?x=1 HTTP/1.1\r\n")
    assert b"X-Key: k" in requests[0]


def drip(connection, requests):
    """Answer without end, a byte at a time."""
    requests.append(read_request(connection))
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    stop = threading.Event()
    while not stop.wait(0.01):
        connection.sendall(b"x")


def silent(connection, requests):
    requests.append(read_request(connection))
    connection.recv(1)


def continuing(connection, requests):
    requests.append(read_request(connection))
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("script", [drip, silent, continuing])
def test_whatever_takes_too_long_ends_in_time(script):
    """Each byte comes in time, all together do not."""
    with server(script) as (url, _), pytest.raises(TimeoutError):
        poster(url).post(b"x", 0.3)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_is_told_apart(answer):
    """Garbage, nothing, and heads without end."""
    with server(answering(answer)) as (url, _), pytest.raises(OSError, match=r"."):
        poster(url).post(b"x", 5)


def test_an_endless_body_is_cut():
    """And its connection not used again."""

    def endless(connection, requests):
        requests.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with server(endless, answering(OK)) as (url, requests):
        post = poster(url)
        answer = post.post(b"x", 5)
        assert (answer.status, len(answer.body)) == (500, MAX_ANSWER)
        assert post.post(b"y", 5).status == 200
        post.close()
    assert len(requests) == 2


def test_a_connection_that_is_refused_is_an_oserror():
    """At once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionError):
        poster(f"http://127.0.0.1:{port}").post(b"x", 5)


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    """As by other clients; not for what is on this machine."""
    with server(answering(OK)) as (url, requests):
        monkeypatch.setenv("http_proxy", url.replace("http://", "http://me:pw@"))
        post = HttpClient(parse_url("http://collector.invalid/v1"), {})
        assert post.post(gzip.compress(b"x"), 5).status == 200
        post.close()
    assert requests[0].startswith(b"POST http://collector.invalid:80/v1 HTTP/1.1\r\n")
    assert b"\r\nHost: collector.invalid" in requests[0]
    assert b"Proxy-Authorization: Basic bWU6cHc=" in requests[0]


def test_a_redirect_is_an_answer_and_is_not_followed():
    """What is sent goes where it was to go, and nowhere else."""
    away = b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with server(answering(away)) as (url, _):
        post = poster(url)
        assert post.post(b"x", 5).status == 307
        post.close()


def test_an_answer_in_chunks_is_read_whole_and_the_connection_kept():
    """Chunks are urllib3's."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n"
    with server(answering(chunked, OK)) as (url, requests):
        post = poster(url)
        assert post.post(b"x", 5).body == b"okyes"
        assert post.post(b"y", 5).body == b"ok"
        post.close()
    assert len(requests) == 2


def test_what_is_missing_is_named():
    """With the line that helps."""
    code = "import sys; sys.modules['urllib3'] = None; from perftrace.sinks import OtlpSink; OtlpSink('http://127.0.0.1:1')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=TIMEOUT, check=False, text=True)
    assert "ModuleNotFoundError: Sending needs urllib3: pip install 'perftrace-toolkit[otlp]'" in done.stderr


@pytest.fixture(scope="module")
def tls():
    """Give contexts of a server for `collector.invalid` and of a client that trusts it."""
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("collector.invalid").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return serving, trusting


def tunnel(context, *answers, drips=False):
    """Answer as a proxy and, once connected, as the server behind it."""

    def script(connection, requests):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        requests.append(head)
        stop = threading.Event()
        while drips and not stop.wait(0.01):
            connection.sendall(b"x")
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secure:
            answering(*answers)(secure, requests)

    return script


def test_a_proxy_of_https_has_the_time_of_each_post(tls, monkeypatch):
    """Not that of the post before, after which the server closed the connection."""
    serving, trusting = tls
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with server(tunnel(serving, closing), tunnel(serving, OK)) as (url, requests):
        monkeypatch.setenv("https_proxy", url)
        post = HttpClient(parse_url("https://collector.invalid/v1"), {}, trusting)
        assert post.post(b"x", 1).status == 200
        time.sleep(1.1)
        assert post.post(b"y", 1).status == 200
        post.close()
    assert [request.partition(b" ")[0] for request in requests] == [b"CONNECT", b"POST", b"CONNECT", b"POST"]


def test_a_proxy_that_drips_is_too_slow(tls, monkeypatch):
    """Its answer is a part of the exchange."""
    serving, trusting = tls
    with server(tunnel(serving, drips=True)) as (url, _):
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(TimeoutError):
            HttpClient(parse_url("https://collector.invalid/v1"), {}, trusting).post(b"x", 0.3)


@pytest.mark.parametrize("through", ["a tunnel", "nothing"])
def test_a_slow_handshake_leaves_less_time_for_the_answer(tls, monkeypatch, through):
    """All together have the time, not each."""
    serving, trusting = tls

    def slow(connection, requests):
        time.sleep(0.7)
        if through == "a tunnel":
            tunnel(serving, OK)(connection, requests)
            return
        with serving.wrap_socket(connection, server_side=True) as secure:
            requests.append(read_request(secure))
            time.sleep(0.7)
            secure.sendall(OK)

    def tunnelled(connection, requests):
        head = connection.recv(65536)
        requests.append(head)
        time.sleep(0.7)
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        time.sleep(0.7)
        with serving.wrap_socket(connection, server_side=True) as secure:
            answering(OK)(secure, requests)

    with server(tunnelled if through == "a tunnel" else slow) as (url, _):
        if through == "a tunnel":
            monkeypatch.setenv("https_proxy", url)
            target = "https://collector.invalid/v1"
        else:
            monkeypatch.setattr(socket, "getaddrinfo", of_this_machine(socket.getaddrinfo))
            target = url.replace("http://127.0.0.1", "https://collector.invalid")
        with pytest.raises(TimeoutError):
            HttpClient(parse_url(target), {}, trusting).post(b"x", 1)


def of_this_machine(ask):
    """Let each name be this machine's."""
    return lambda host, *rest, **options: ask("127.0.0.1", *rest, **options)


@pytest.mark.parametrize("excluded", ["collector.invalid", "collector.invalid:4318"])
def test_what_the_environment_excludes_takes_no_proxy(monkeypatch, excluded):
    """With and without its port."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", excluded)
    asked = []

    def ask(host, *rest, **options):
        asked.append(host)
        raise ZeroDivisionError

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    with pytest.raises(ZeroDivisionError):
        HttpClient(parse_url("http://collector.invalid:4318/v1"), {}).post(b"x", 5)
    assert asked == ["collector.invalid"]


def test_a_proxy_that_makes_no_sense_is_named(monkeypatch):
    """It is not the receiver's URL that is wrong."""
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(ValueError, match="the proxy of http_proxy: the URL's scheme must be http or https"):
        HttpClient(parse_url("http://collector.invalid/v1"), {}).post(b"x", 5)


def test_nobody_else_logs_what_is_posted(caplog):
    """The query may hold a key; what others post by urllib3 is logged as before."""
    caplog.set_level("DEBUG")
    odd = b"HTTP/1.1 200 OK\r\n\xff\xfe oops\r\nContent-Length: 2\r\n\r\nok"
    with server(answering(odd), answering(OK)) as (url, _):
        with contextlib.suppress(OSError):
            HttpClient(parse_url(url + "/path?key=secret"), {}).post(b"x", 5)
        assert "secret" not in caplog.text
        urllib3.request("POST", url + "/other?key=open", retries=False)
    assert "open" in caplog.text
