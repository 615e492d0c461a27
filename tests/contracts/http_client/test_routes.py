"""How an upstream is reached: TLS with verification, CONNECT proxies, Unix sockets; and what is said when it is not."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trustme

from ninefold.adapters.http1.outgoing import authority
from ninefold.ports.http_client import Origin, TransportFailed

from .scripted import OK, PATIENT, Peer, Run, Script, Server, answering, both_loops, client_of, drain, get, scripted

pytestmark = both_loops

HEAD = b"HTTP/1.1 200 OK\r\n"


@dataclass(slots=True)
class Authority:
    """A certificate authority of the test's own, and the servers it vouches for."""

    ca: trustme.CA
    ca_file: str

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return Authority(ca, str(path))


def over_tls(server: Server, issuer: Authority, host: str = "localhost") -> Origin:
    return Origin(host=host, port=server.origin.port, tls=True, ca_file=issuer.ca_file)


def test_tls_with_a_good_certificate_speaks_http_1_1_and_is_reused(run: Run, issuer: Authority) -> None:
    seen: list[tuple[str | None, str | None]] = []
    context = issuer.server("localhost", "127.0.0.1")
    context.sni_callback = lambda _socket, name, _context: seen.append((name, None)) or None

    async def script(peer: Peer) -> None:
        seen.append((None, peer.writer.get_extra_info("ssl_object").selected_alpn_protocol()))
        await answering(HEAD + b"content-length: 300000\r\n\r\n", b"x" * 300_000)(peer)

    async def main() -> None:
        async with scripted(script, tls=context) as server, client_of() as client:
            for _ in range(3):
                body = b"y" * 200_000
                response = await client.send(over_tls(server, issuer), b"POST", b"/", b"", body, PATIENT)
                assert await response.read(300_000) == b"x" * 300_000
            assert await drain(await get(client, over_tls(server, issuer, "127.0.0.1"))) == b"x" * 300_000
            assert server.opened == 2
        assert seen[:2] == [("localhost", None), (None, "http/1.1")]

    run(main())


def test_tls_refuses_an_unknown_issuer_and_another_hosts_certificate(run: Run, issuer: Authority) -> None:
    async def main() -> None:
        async with scripted(answering(OK), tls=issuer.server("other.example")) as server, client_of() as client:
            for origin, reason in (
                (over_tls(server, issuer), "Hostname mismatch"),
                (over_tls(server, issuer, "127.0.0.1"), "IP address mismatch"),
                (replace(over_tls(server, issuer), ca_file=None), "unable to get local issuer"),
            ):
                with pytest.raises(TransportFailed, match=reason) as caught:
                    await get(client, origin)
                assert not caught.value.sent
                assert client.stats()[origin].open == 0

    run(main())


def test_tls_with_unusable_anchors_or_without_tls_on_the_other_side_fails_unsent(run: Run, issuer: Authority, tmp_path: Path) -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.say(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await peer.gone()

    async def main() -> None:
        (tmp_path / "empty.pem").write_bytes(b"")
        async with scripted(plain) as server, client_of() as client:
            for ca_file in (issuer.ca_file, str(tmp_path / "absent.pem"), str(tmp_path / "empty.pem")):
                with pytest.raises(TransportFailed) as caught:
                    await get(client, replace(over_tls(server, issuer), ca_file=ca_file))
                assert not caught.value.sent

    run(main())


@pytest.mark.parametrize("proper", [True, False])
def test_an_answer_without_length_over_tls_needs_the_peers_close_notify(run: Run, issuer: Authority, proper: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"\r\nuntil the end", pause_s=0.05)
        if proper:
            peer.hang_up()
        else:
            with socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno())) as tcp:
                tcp.shutdown(socket.SHUT_WR)  # the end of TCP, as anyone on the way could make it
            await peer.gone()

    async def main() -> None:
        async with scripted(script, tls=issuer.server("localhost")) as server, client_of() as client:
            response = await get(client, over_tls(server, issuer))
            if proper:
                assert await drain(response) == b"until the end"
            else:
                assert await response.chunk() == b"until the end"
                with pytest.raises(TransportFailed):
                    await response.chunk()

    run(main())


def test_a_slow_reader_gets_a_whole_answer_over_tls_although_the_peer_has_closed(run: Run, issuer: Authority) -> None:
    body = bytes(range(256)) * 8_000

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body), body)
        peer.hang_up()

    async def main() -> None:
        async with scripted(script, tls=issuer.server("localhost")) as server, client_of() as client:
            response = await get(client, over_tls(server, issuer))
            received = b""
            while part := await response.chunk():
                received += part
                await asyncio.sleep(0.02)
            assert received == body

    run(main())


@dataclass(slots=True)
class Proxy:
    """A CONNECT proxy that demands a password."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)

    def url(self, pair: str = "us%40er:pa%3Ass") -> str:
        return f"http://{pair}@127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def tunnelling() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    expected = b"proxy-authorization: Basic " + base64.b64encode(b"us@er:pa:ss")

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def script(peer: Peer) -> None:
        head, _ = await peer.request()
        proxy.heads.append(head)
        if expected not in head:
            await peer.say(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await peer.say(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
            await asyncio.gather(pipe(peer.reader, writer), pipe(reader, peer.writer))
        finally:
            writer.transport.abort()

    async with scripted(script) as server:
        proxy.port = server.origin.port
        yield proxy


@pytest.mark.parametrize("tls", [True, False])
def test_a_proxy_with_a_password_carries_tls_and_plain_requests(run: Run, issuer: Authority, tls: bool) -> None:
    async def main() -> None:
        context = issuer.server("localhost") if tls else None
        async with tunnelling() as proxy, scripted(answering(OK), tls=context) as server, client_of() as client:
            origin = Origin(host="localhost", port=server.origin.port, tls=tls, ca_file=issuer.ca_file, proxy=proxy.url())
            for _ in range(3):
                assert await (await get(client, origin)).read(10) == b"ok"
            assert server.opened == len(proxy.heads) == 1
            assert proxy.heads[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % origin.port)
            if tls:  # the certificate is the origin's business, not the proxy's
                with pytest.raises(TransportFailed, match="mismatch"):
                    await get(client, replace(origin, host="127.0.0.1"))

    run(main())


def test_a_proxy_that_refuses_is_named_without_the_password(run: Run) -> None:
    async def main() -> None:
        async with tunnelling() as proxy, client_of() as client:
            with pytest.raises(TransportFailed, match="407") as caught:
                await get(client, Origin(host="localhost", port=9, proxy=proxy.url("user:sesame")))
            assert not caught.value.sent
            for address in ("http://user:sesame@127.0.0.1:port", "https://user:sesame@127.0.0.1:1", "socks5://user:sesame@h:1", "sesame"):
                with pytest.raises(TransportFailed) as caught:
                    await get(client, Origin(host="localhost", port=9, proxy=address))
                assert "sesame" not in str(caught.value)
                assert not caught.value.sent

    run(main())


@pytest.mark.parametrize(
    "script",
    [
        answering(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"),  # the proxy's own answer to our request
        answering(b"nonsense\r\n\r\n"),
        answering(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
        answering(b"x" * 20_000),
        answering(b"", close=True),
        answering(b"HTTP/1.1 200 OK\r\n\r\n", close=True),
    ],
)
@pytest.mark.parametrize("tls", [True, False])
def test_a_proxy_that_lies_or_breaks_off_fails(run: Run, script: Script, tls: bool) -> None:
    async def main() -> None:
        async with scripted(script) as proxy, client_of() as client:
            origin = Origin(host="localhost", port=9, tls=tls, proxy=f"http://127.0.0.1:{proxy.origin.port}")
            with pytest.raises(TransportFailed):
                await get(client, origin)
            while client.stats()[origin].open:
                await asyncio.sleep(0.01)

    run(main())


def test_a_unix_socket_is_an_origin(run: Run, tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            heads.append((await peer.request())[0])
            await peer.say(OK)

    async def main() -> None:
        async with scripted(script, unix_path=f"{tmp_path}/w.sock") as server, client_of() as client:
            for _ in range(3):
                assert await (await get(client, server.origin, target=b"/v1/x")).read(10) == b"ok"
            assert server.opened == 1
            assert heads[0] == b"GET /v1/x HTTP/1.1\r\nhost: localhost\r\nuser-agent: ninefold\r\n\r\n"
            with pytest.raises(TransportFailed) as caught:
                await get(client, replace(server.origin, unix_path=f"{tmp_path}/absent.sock"))
            assert not caught.value.sent

    run(main())


def test_an_upstream_that_cannot_be_reached_fails_unsent(run: Run, unused_port: int) -> None:
    async def main() -> None:
        async with client_of() as client:
            for origin in (
                Origin(host="127.0.0.1", port=unused_port),
                Origin(host="127.0.0.1", port=9, proxy=f"http://127.0.0.1:{unused_port}"),
                Origin(host="no-such-host.invalid", port=80),
                Origin(host="x" * 70 + ".invalid", port=80),
                Origin(host="bad host\r\n", port=80),
                Origin(host="", port=80),
                Origin(host="bü" * 70, port=80),
            ):
                with pytest.raises(TransportFailed) as caught:
                    await get(client, origin)
                assert not caught.value.sent

    run(main())


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin(host="api.example", port=443, tls=True), b"api.example"),
        (Origin(host="api.example", port=80), b"api.example"),
        (Origin(host="api.example", port=443), b"api.example:443"),
        (Origin(host="::1", port=8080), b"[::1]:8080"),
        (Origin(host="[::1]", port=80), b"[::1]"),
        (Origin(host="bücher.example", port=80), b"xn--bcher-kva.example"),
    ],
)
def test_the_host_header_is_what_rfc_9110_asks(run: Run, origin: Origin, expected: bytes) -> None:
    assert authority(origin) == expected


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
