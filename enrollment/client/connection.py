"""HTTPS to a door: own trust, patience with a door that is away, refusals as the door words them.

Every request of this client may be repeated: a question changes nothing, and the door gives the same key the same
certificate.
"""

import contextlib
import email.utils
import http.client
import json
import re
import secrets
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from kernel.clock import Clock
from kernel.errors import Refused

LARGEST_ANSWER = 1 << 20
_TRY_AGAIN = {429, 502, 503, 504}
_BACKOFF = (1, 2, 4, 8, 16, 30)  # seconds, the last one repeated
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,59}")
_LONGEST_SENTENCE = 300


@dataclass(frozen=True)
class Server:
    """A door. `ca_bundle` holds the root certificates (PEM) that are trusted, and no others are.

    `proxy` is `http://[user:password@]host:port`. `timeout` is for each step of a request, `patience` for all waiting
    between tries, both in seconds; `pause` waits, and may tell somebody.
    """

    url: str
    ca_bundle: Path
    clock: Clock
    proxy: str | None = field(default=None, repr=False)
    timeout: float = 30
    patience: float = 120
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Identity:
    """What a terminal shows in the TLS handshake: its key, its certificate and those above it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificates: tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class Answer:
    """A door's answer of success. `date` is the door's clock, where it tells it."""

    status: int
    content: dict[str, Any]
    date: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Handshake:
    """A TLS connection that was made and trusted: its version, and whom the door's certificate names until when."""

    version: str
    not_after: datetime


@dataclass(frozen=True)
class _Question:
    """One request: `content` is None for GET."""

    path: str
    content: bytes | None

    @property
    def method(self) -> str:
        return "GET" if self.content is None else "POST"

    @property
    def headers(self) -> dict[str, str]:
        said = {"Accept": "application/json", "User-Agent": "tegata-terminal"}
        return said if self.content is None else said | {"Content-Type": "application/json"}


class _AwayError(Exception):
    """The door did not answer, or asked to come again after some seconds (None when it named no time)."""

    def __init__(self, refusal: Refused, retry_after: int | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal, self.retry_after = refusal, retry_after


def post(server: Server, path: str, body: Mapping[str, str], identity: Identity | None = None) -> Answer:
    """Send a JSON object and return the JSON object that is answered.

    Raises Refused with the door's own code (facts `title` Japanese, `title_en`, `status`, `door_time` or None, perhaps
    `retry_after`) or with one of ours: address-invalid, trust-unreadable, proxy-invalid, proxy-refused,
    server-not-trusted, tls-failed, unreachable (`kind` name, refused, timeout or broken), answer-unexpected. What may be
    cured by waiting is tried again until patience ends.
    """
    return _ask(server, _Question(path, json.dumps(dict(body)).encode()), identity)


def get(server: Server, path: str, identity: Identity | None = None) -> Answer:
    """Return the JSON object that lies at a path; raises as `post`."""
    return _ask(server, _Question(path, None), identity)


def handshake(server: Server) -> Handshake:
    """Make a TLS connection, show no certificate and ask nothing; one try. Raises the refusals of the way as `post`."""
    address, context = require_address(server.url), _context(server.ca_bundle, None)
    try:
        with _translated(), contextlib.closing(_connection(server, address, context)) as connection:
            connection.connect()
            secured: ssl.SSLSocket = connection.sock
            end = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
            return Handshake(secured.version() or "", datetime.fromtimestamp(end, UTC))
    except _AwayError as away:
        raise away.refusal from None


def shown(server: Server) -> x509.Certificate | None:
    """Return the certificate that a door shows, trusted or not, so that a person can be told whose it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent over it, and nothing believed
    try:
        with _translated(), contextlib.closing(_connection(server, require_address(server.url), context)) as connection:
            connection.connect()
            der = connection.sock.getpeercert(binary_form=True)
            return x509.load_der_x509_certificate(der) if der else None
    except (_AwayError, Refused, ValueError):
        return None


def _ask(server: Server, question: _Question, identity: Identity | None) -> Answer:
    address = require_address(server.url)
    context = _context(server.ca_bundle, identity)
    left, attempt = server.patience, 0
    while True:
        try:
            return _once(server, address, context, question)
        except _AwayError as away:
            wait = _wait(attempt, away.retry_after)
            if wait > left:
                raise away.refusal from None
        left, attempt = left - wait, attempt + 1
        server.pause(wait)


def _wait(attempt: int, retry_after: int | None) -> float:
    """Return how long to wait: what the door asked for, else longer each time, never in step with other clients."""
    wait = _BACKOFF[min(attempt, len(_BACKOFF) - 1)]
    return max(wait, retry_after or 0) * (1 + secrets.randbelow(250) / 1000)


def require_address(url: str) -> SplitResult:
    """Return the parts of a door's address; raises Refused("address-invalid") unless it is https and nothing more."""
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError:
        raise Refused("address-invalid", address=url) from None
    has_more = address.query or address.fragment or address.username or port == 0
    if address.scheme != "https" or not address.hostname or has_more:
        raise Refused("address-invalid", address=url)
    return address


def require_proxy(proxy: str) -> SplitResult:
    """Return the parts of a proxy's address; raises Refused("proxy-invalid") unless it is `http://HOST[:PORT]`."""
    try:
        parts = urlsplit(proxy)
        port = parts.port
    except ValueError:
        raise Refused("proxy-invalid") from None
    if parts.scheme != "http" or not parts.hostname or port == 0:
        raise Refused("proxy-invalid")
    return parts


def _context(ca_bundle: Path, identity: Identity | None) -> ssl.SSLContext:
    # Not ssl.create_default_context: it would write session keys where SSLKEYLOGFILE says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=ca_bundle)
    except (OSError, ssl.SSLError):
        raise Refused("trust-unreadable", path=str(ca_bundle)) from None
    if identity is not None:
        _show(context, identity)
    return context


def _show(context: ssl.SSLContext, identity: Identity) -> None:
    """Load an identity: ssl reads files only, so the key passes through one under a passphrase of the moment."""
    passphrase = secrets.token_hex(16)
    encryption = BestAvailableEncryption(passphrase.encode())
    content = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    content += b"".join(certificate.public_bytes(Encoding.PEM) for certificate in identity.certificates)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "identity.pem"
        file.touch(mode=0o600)
        file.write_bytes(content)
        context.load_cert_chain(file, password=passphrase)


def _once(server: Server, address: SplitResult, context: ssl.SSLContext, question: _Question) -> Answer:
    with _translated(), contextlib.closing(_connection(server, address, context)) as connection:
        path = address.path.rstrip("/") + question.path
        connection.request(question.method, path, question.content, question.headers)
        response = connection.getresponse()
        raw = response.read(LARGEST_ANSWER + 1)
        if response.length and len(raw) <= LARGEST_ANSWER:  # http.client does not tell when it is given a size
            raise http.client.IncompleteRead(raw, response.length)
        return _read(response, raw, server.clock.now())


def _connection(server: Server, address: SplitResult, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    host, port = str(address.hostname), address.port or 443
    if server.proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=server.timeout, context=context)
    proxy = require_proxy(server.proxy)
    connection = http.client.HTTPSConnection(str(proxy.hostname), proxy.port or 8080, timeout=server.timeout, context=context)
    headers = {}
    if proxy.username:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + b64encode(login.encode()).decode("ascii")
    connection.set_tunnel(host, port, headers)
    return connection


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn what may go wrong on the way into refusals, and into _AwayError what waiting may cure."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Refused("server-not-trusted", detail=error.verify_message, verify_code=error.verify_code) from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise _AwayError(Refused("unreachable", detail=type(error).__name__, kind="broken")) from None
    except ssl.SSLError as error:
        raise Refused("tls-failed", detail=error.reason or "") from None
    except socket.gaierror as error:
        refusal = Refused("unreachable", detail=error.strerror or "", kind="name")
        raise (_AwayError(refusal) if error.errno == socket.EAI_AGAIN else refusal) from None
    except (OSError, http.client.HTTPException) as error:
        if str(error).startswith("Tunnel connection failed"):
            raise Refused("proxy-refused", detail=str(error).removeprefix("Tunnel connection failed: ")) from None
        detail = one_line(str(error)) or type(error).__name__
        raise _AwayError(Refused("unreachable", detail=detail, kind=_kind(error))) from None


def _kind(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return "refused" if isinstance(error, ConnectionRefusedError) else "broken"


def _read(response: http.client.HTTPResponse, raw: bytes, now: datetime) -> Answer:
    content = _json(raw)
    if response.status in (200, 201) and content is not None:
        return Answer(response.status, content, _date(response.headers.get("Date")))
    retry_after = _retry_after(response.headers.get("Retry-After"), now)
    refusal = _refusal(response.status, content, retry_after)
    if "title" in refusal.facts:
        refusal.facts["door_time"] = _date(response.headers.get("Date"))
    if response.status in _TRY_AGAIN:
        raise _AwayError(refusal, retry_after)
    raise refusal


def _json(raw: bytes) -> dict[str, Any] | None:
    if len(raw) > LARGEST_ANSWER:
        return None
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _refusal(status: int, content: dict[str, Any] | None, retry_after: int | None) -> Refused:
    """Return a problem (RFC 9457) as a refusal; what is none of ours, as a refusal that says so."""
    code = (content or {}).get("code")
    if content is None or not isinstance(code, str) or _CODE.fullmatch(code) is None:
        return Refused("answer-unexpected", status=status)
    facts: dict[str, object] = {name: one_line(content[name]) for name in ("title", "title_en") if name in content}
    if retry_after is not None:
        facts["retry_after"] = retry_after
    return Refused(code, status=status, **facts)


def _retry_after(value: str | None, now: datetime) -> int | None:
    """Return RFC 9110 §10.2.3's seconds or date as seconds from now."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return min(int(value[:9]), 86_400)
    at = _date(value)
    return max(0, int((at - now).total_seconds())) if at else None


def _date(value: str | None) -> datetime | None:
    """Return RFC 9110 §5.6.7's date, or None for what is none."""
    try:
        at = email.utils.parsedate_to_datetime(value or "")
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # the latter for the year 10^30, and where a zone leads out of the calendar
        return None


def one_line(text: object) -> str:
    """Return a sentence from outside so that it cannot play tricks on a terminal's screen."""
    kept = (character if character.isprintable() else " " for character in str(text))
    return " ".join("".join(kept).split())[:_LONGEST_SENTENCE]
