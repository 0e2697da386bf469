"""The mirror: a genuine one is read, over TLS and plain on the loopback; a hostile one costs bounded time and memory, and one line says what it did.

The servers answer with prepared bytes. Where a mirror hangs, the client's limit is some milliseconds and the server never answers, so that no
test depends on how fast anything is; the deadline for everything runs on a clock of the test's own.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gate_controller.ports.errors import ConfigurationError
from gate_controller.trust.mirror import MirrorSource
from gate_controller.trust.sources import CHUNK_BYTES, NotInSource, SourceError

NAME = "metadata/timestamp.json"
Answer = Callable[[socket.socket, bytes], None]


@contextmanager
def mirror(answer: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """A server that answers each connection by the function, which gets the request; yields "host:port"."""
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), client:
                client.settimeout(30)
                with tls.wrap_socket(client, server_side=True) if tls else client as connected:
                    answer(connected, connected.recv(4096))

    server = threading.Thread(target=serve)
    server.start()
    try:
        port = listener.getsockname()[1]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()


def sends(*parts: bytes) -> Answer:
    def answer(client: socket.socket, _request: bytes) -> None:
        for part in parts:
            client.sendall(part)

    return answer


def hangs(*parts: bytes) -> Answer:
    """The parts, then nothing, until the client goes."""

    def answer(client: socket.socket, _request: bytes) -> None:
        for part in parts:
            client.sendall(part)
        while client.recv(4096):
            pass

    return answer


def endless(head: bytes, piece: bytes) -> Answer:
    """Bytes until the client goes."""

    def answer(client: socket.socket, _request: bytes) -> None:
        client.sendall(head)
        while True:
            client.sendall(piece)

    return answer


def response(body: bytes = b"", status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def impatient(url: str, **options: object) -> MirrorSource:
    return MirrorSource(f"http://{url}/repository/", **{"connect_s": 30.0, "read_s": 30.0, **options})  # type: ignore[arg-type]


def refusal(source: MirrorSource, name: str = NAME) -> SourceError:
    with pytest.raises(SourceError) as caught:
        for _ in islice(source.read(name), 1000):
            pass
    assert str(caught.value).isprintable()
    assert caught.value.what.startswith(f"{source.name}: {name}")
    assert len(caught.value.what) < 400
    assert caught.value.remedy
    return caught.value


def test_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")  # nobody listens there
    requests: list[bytes] = []
    body = bytes(range(256)) * 1000

    def answer(client: socket.socket, request: bytes) -> None:
        requests.append(request)
        client.sendall(response(body))

    with mirror(answer) as url:
        source = impatient(url)
        for _ in range(2):
            chunks = list(source.read(NAME))
            assert b"".join(chunks) == body
            assert max(map(len, chunks)) <= CHUNK_BYTES
        assert list(impatient(f"{url}//").read("metadata/2.root.json"))
    assert requests[0].startswith(b"GET /repository/metadata/timestamp.json HTTP/1.1\r\n")
    assert f"Host: {url}\r\n".encode() in requests[0]
    assert b"Accept-Encoding: identity\r\n" in requests[0]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (sends(response(b"")), b""),
        (sends(b"HTTP/1.0 200 OK\r\n\r\n", b"until the ", b"end"), b"until the end"),
        (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nin ch\r\n", b"4;x=y\r\nunks\r\n0\r\n\r\n"), b"in chunks"),
        (sends(response(b"only this", length=4)), b"only"),
        (sends(b"HTTP/1.1 100 Continue\r\n\r\n", response(b"late")), b"late"),
        (sends(response(b"x", "200 OK", "Content-Encoding: identity")), b"x"),
    ],
)
def test_bodies(answer: Answer, body: bytes) -> None:
    with mirror(answer) as url:
        assert b"".join(impatient(url).read(NAME)) == body


def test_names_that_are_not_plain_are_not_asked_for() -> None:
    source = MirrorSource("https://mirror.invalid/")
    for name in ("", "../x", "metadata/x?y", "metadata/%2e%2e/x", "a b", "metadata/x\r\nHost: y"):
        with pytest.raises(SourceError, match="is not a plain file name"):
            next(source.read(name))


def test_a_missing_file() -> None:
    with mirror(sends(response(b"not here", "404 Not Found"))) as url:
        error = refusal(impatient(url))
        assert isinstance(error, NotInSource)
        assert f"{NAME} is missing" in error.what


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (response(b"", "302 Found", "Location: https://elsewhere.example/\x1b[2J" + "x" * 500), "redirect to 'https://elsewhere.example/\\x1b[2Jx"),
        (response(b"", "304 Not Modified"), "redirect to '' (304)"),
        (response(b"", "307 Temporary Redirect", "Location: /x"), "is not followed"),
        (response(b"", "500 \x1b[2J"), "the answer is HTTP status 500"),
        (response(b"", "503 Busy"), "the answer is HTTP status 503"),
        (response(b"", "403 Forbidden"), "the answer is HTTP status 403"),
        (response(b"", "204 No Content"), "the answer is HTTP status 204"),
        (response(b"part", "206 Partial Content"), "the answer is HTTP status 206"),
        (response(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"), "content encoding 'gzip'"),
        (response(b"\x1f\x8b", "200 OK", "Content-Encoding: br\x1b, zstd" + "x" * 500), "content encoding 'br\\x1b, zstd"),
        (response(b"short", length=100), "breaks off 95 bytes before its end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbreaks", "not well-formed HTTP (IncompleteRead)"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbreaks", "not well-formed HTTP (IncompleteRead)"),
        (b"SSH-2.0-\x1b[2J\r\n", "not well-formed HTTP (BadStatusLine)"),
        (b"", "the connection was closed without an answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n", "not well-formed HTTP (HTTPException)"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "not well-formed HTTP (LineTooLong)"),
    ],
)
def test_answers_that_are_refused(answer: bytes, what: str) -> None:
    with mirror(sends(answer)) as url:
        error = refusal(impatient(url))
        assert what in error.what
        assert not isinstance(error, NotInSource)


@pytest.mark.parametrize(
    "answer",
    [
        endless(response(length=1 << 40), bytes(CHUNK_BYTES)),
        endless(b"HTTP/1.1 200 OK\r\n\r\n", bytes(CHUNK_BYTES)),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(1 << 16) + b"\r\n"),
        # Read to its end by anything that takes int() for a parser of sizes.
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", bytes(CHUNK_BYTES)),
    ],
)
def test_a_terabyte(answer: Answer) -> None:
    """Whoever reads counts and stops; meanwhile no more than a chunk is ever held."""
    with mirror(answer) as url:
        chunks = impatient(url).read(NAME)
        assert max(len(next(chunks)) for _ in range(50)) <= CHUNK_BYTES
        del chunks  # closes the connection, or the server would never end


@pytest.mark.parametrize(
    "answer",
    [
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1" * CHUNK_BYTES),
        endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * CHUNK_BYTES),
        endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000),
        endless(b"", b"x" * CHUNK_BYTES),
    ],
)
def test_endless_lines_and_headers(answer: Answer) -> None:
    with mirror(answer) as url:
        refusal(impatient(url))


@pytest.mark.parametrize("answer", [hangs(), hangs(b"HTTP/1.1 200 OK\r\n"), hangs(response(b"half", length=8))])
def test_a_mirror_that_hangs(answer: Answer) -> None:
    with mirror(answer) as url:
        assert "no answer in time" in refusal(impatient(url, read_s=0.01)).what


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"trailer: y\r\n"),
        (response(length=1 << 30), b"z"),
    ],
)
def test_a_mirror_that_drips(head: bytes, piece: bytes) -> None:
    """Each receive is in time; the time for the whole is not. The clock goes on by 10 s whenever it is looked at."""
    with mirror(endless(head, piece)) as url:
        ticks = count(0.0, 10.0)
        error = refusal(impatient(url, total_s=300, clock=lambda: next(ticks)))
        assert "not finished within 300 s for the whole repository" in error.what
        assert next(ticks) < 400


def test_the_deadline_is_for_all_files_together() -> None:
    now = [0.0]
    with mirror(sends(response(b"{}"))) as url:
        source = impatient(url, total_s=300, clock=lambda: now[0])
        assert list(source.read(NAME))
        now[0] = 299.0
        assert list(source.read(NAME))
        now[0] = 301.0
        assert "not finished" in refusal(source).what


def test_nobody_there() -> None:
    with mirror(sends()) as url:
        pass
    assert "Connection refused" in refusal(impatient(url)).what


def test_a_host_that_does_not_answer() -> None:
    """A listener whose queue is full drops what comes."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        assert "no answer in time" in refusal(impatient("{}:{}".format(*listener.getsockname()), connect_s=0.01)).what


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "the name mirror.example cannot be resolved" in refusal(MirrorSource("https://mirror.example")).what


# -- TLS ---------------------------------------------------------------------------------------------------------------


class Certified:
    """A mirror's certificate, and itself as the authority."""

    def __init__(self, directory: Path, address: str, *, valid_days: int = 3650) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mirror")])
        start = datetime(2020, 1, 1, tzinfo=UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=valid_days))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.file = directory / f"{address}-{valid_days}.pem"
        pem = serialization.Encoding.PEM
        unsealed = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.file.write_bytes(certificate.public_bytes(pem) + unsealed)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.file)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return Certified(tmp_path_factory.mktemp("tls"), "127.0.0.1", valid_days=36500)


def test_tls(certified: Certified) -> None:
    with mirror(sends(response(b"{}")), certified.context) as url:
        source = MirrorSource(f"https://{url}", ca_file=certified.file)
        assert b"".join(source.read(NAME)) == b"{}"


def test_certificates_that_are_refused(certified: Certified, tmp_path: Path) -> None:
    with mirror(sends(response(b"{}")), certified.context) as url:
        assert "certificate is not accepted: self" in refusal(MirrorSource(f"https://{url}")).what
        other = Certified(tmp_path, "127.0.0.1", valid_days=36500)
        assert "certificate is not accepted" in refusal(MirrorSource(f"https://{url}", ca_file=other.file)).what
    elsewhere = Certified(tmp_path, "127.0.0.2", valid_days=36500)
    with mirror(sends(response(b"{}")), elsewhere.context) as url:
        assert "IP address mismatch" in refusal(MirrorSource(f"https://{url}", ca_file=elsewhere.file)).what
    expired = Certified(tmp_path, "127.0.0.1", valid_days=1)
    with mirror(sends(response(b"{}")), expired.context) as url:
        error = refusal(MirrorSource(f"https://{url}", ca_file=expired.file))
        assert "certificate has expired" in error.what
        assert "clock" in error.remedy


def test_a_tls_port_that_does_not_speak_it(certified: Certified) -> None:
    with mirror(sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        assert "TLS fails" in refusal(MirrorSource(f"https://{url}", ca_file=certified.file)).what


def test_a_tls_handshake_that_hangs(certified: Certified) -> None:
    with mirror(hangs()) as url:
        assert "no answer in time" in refusal(MirrorSource(f"https://{url}", ca_file=certified.file, connect_s=0.05)).what


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *("", "mirror", "ftp://mirror/", "http://mirror.example/", "http://127.0.0.1.example/", "http://10.0.0.1/", "https://", "https:///x", "file:///x"),
        *("https://user:secret@mirror/", "https://mirror/?x", "https://mirror/#x", "https://mirror:99999/", "https://mirror/a b", "https://mirr\u00f6r/"),
        *("https://mirror/\r\nHost: x", "https://[::1/", "https://" + "a" * 64 + ".example/"),
    ],
)
def test_urls_that_no_mirror_may_have(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MirrorSource(url)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/x", "http://[::1]:8080", "http://127.0.0.9/", "https://mirror.example:8443/a/b/", "HTTPS://MIRROR.example"]
)
def test_urls_that_a_mirror_may_have(url: str) -> None:
    assert MirrorSource(url).name == f"mirror {url}"


def test_ca_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"")
    for name, what in (("missing.pem", "No such file"), ("empty.pem", "holds no certificate"), (".", "Is a directory")):
        with pytest.raises(ConfigurationError, match=what) as caught:
            MirrorSource("https://mirror.example", ca_file=tmp_path / name)
        assert "ca_file" in caught.value.remedy
