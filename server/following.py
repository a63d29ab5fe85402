"""What a gateway's machine does with what we publish: fetch, judge, put a file into place, let its proxy read it anew.

It needs no home. The proxy reads its file only when it is told to, so what could not be told is told again the next time.
"""

import shlex
import subprocess
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.crl import number_of
from ca.crl_drafts import UNREADABLE
from enrollment import gateway_follower, gateway_head
from enrollment.gateway_follower import Follower, Held
from enrollment.gateway_head import Fetch, ListRefused
from kernel.clock import Clock
from server import logs
from server.home import write_whole
from server.list_checking import speaking_http
from server.trouble import Trouble

# Seconds for a part of an answer; octets that a list may have at most.
PATIENCE = 10
LARGEST = 256 * 1024 * 1024
# What is left of a written list's life when it is written again although nothing changed.
_LEAST_LEFT = timedelta(hours=6)
_log = logs.logger("server.following")


def fetching(address: str) -> Fetch:
    """Return what fetches files below an address; raises OSError."""

    def fetch(name: str) -> bytes:
        return _fetched(f"{address}/{name}", {})[1]

    return fetch


@dataclass
class KeptFetch:
    """Fetches what is served at addresses, and again only what changed there (RFC 9110 §13.1.2); raises OSError.

    What did not change is returned as the same object.
    """

    _kept: dict[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)

    def __call__(self, address: str) -> bytes:
        """Fetch, or find that nothing changed."""
        tag, content = self._kept.get(address, ("", b""))
        try:
            self._kept[address] = _fetched(address, {"If-None-Match": tag} if tag else {})
        except HTTPError as error:
            if error.code != HTTPStatus.NOT_MODIFIED or not tag:
                raise
            return content
        return self._kept[address][1]


def _fetched(address: str, headers: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the entity tag, empty for none, and the content."""
    request = urllib.request.Request(address, headers={"User-Agent": "tegata-gateway", **headers})  # noqa: S310 (the operator's own)
    with speaking_http(), urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310 (the same)
        content: bytes = response.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(f"{address} has more than {LARGEST} octets")
    return response.headers.get("ETag") or "", content


@dataclass
class Proxy:
    """A file that a reverse proxy includes, and the command that makes it read it anew, if there is one.

    The first time it is always told: whoever wrote the file before may have ended between the two.
    """

    output: Path
    reload: Sequence[str] = ()
    _is_due: bool = field(default=True, repr=False)

    def write(self, content: str) -> None:
        """Put the file into place unless it says this already."""
        if not self.output.exists() or self.output.read_text(encoding="ascii") != content:
            write_whole(self.output, content)
            self._is_due = True

    def tell(self) -> bool:
        """Tell the proxy, if there is something that it has not read; return whether it was told. Raises Trouble."""
        if not self._is_due:
            return False
        if self.reload:
            try:
                subprocess.run(self.reload, check=True, capture_output=True, timeout=60)  # noqa: S603 (the operator's own)
            except (OSError, subprocess.SubprocessError) as error:
                said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
                raise Trouble(f"{shlex.join(self.reload)} failed: {said[-1] if said else error}") from error
        self._is_due = False
        return True


@dataclass
class ListFollowing:
    """Follows the positive list into nginx's file; what was taken last is kept beside it."""

    follower: Follower
    fetch: Fetch
    proxy: Proxy
    clock: Clock
    _held: Held | None = field(default=None, repr=False)
    _written: tuple[int, datetime] | None = field(default=None, repr=False)

    def begin(self) -> None:
        """Take up what was kept; raises ListRefused when it is there and not whole: somebody must look at that."""
        head, lines = gateway_follower.stored_files(self.proxy.output)
        if head.exists() and lines.exists():
            self._held = self.follower.stored(head.read_bytes(), lines.read_bytes())

    def once(self) -> bool:
        """Take what is new and write what follows; return whether the proxy was told.

        Raises ListRefused or OSError after the proxy has what follows from the list that is held, and Trouble.
        """
        now, refused = self.clock.now(), None
        try:
            self._keep(self.follower.take(self.fetch, self._held, now))
        except (ListRefused, OSError) as error:
            refused = error
        self._write(now)
        told = self.proxy.tell()
        if refused is not None:
            raise refused
        return told

    def _keep(self, held: Held) -> None:
        if held is self._held:
            return
        head, lines = gateway_follower.stored_files(self.proxy.output)
        if self._held is None or held.head.sha256 != self._held.head.sha256 or not lines.exists():
            # The list first: a crash between the two leaves a head that does not fit, unless the old one goes before.
            head.unlink(missing_ok=True)
            write_whole(lines, gateway_head.listing(held.lines))
        write_whole(head, held.note)
        self._held = held

    def _write(self, now: datetime) -> None:
        head = self._held.head if self._held else None
        until = head.next_update if head else now
        # By the list's digest the file is the same; its end is moved on now and then.
        is_fresh = self._written is not None and head is not None and self._written[0] == head.list_number
        if is_fresh and self._written is not None and min(until - now, _LEAST_LEFT) <= self._written[1] - now:
            return
        self.proxy.write(gateway_follower.nginx(self._held, now))
        self._written = (head.list_number if head else 0, until)


@dataclass
class RevocationFile:
    """The one file that nginx's `ssl_crl` reads: the complete list of every authority of a bundle, as PEM.

    `fetch` returns the same object for what did not change: that was judged, and is looked at again when it is over.
    """

    authorities: tuple[x509.Certificate, ...]
    lists: tuple[str, ...]
    fetch: Callable[[str], bytes]
    proxy: Proxy
    clock: Clock
    _taken: tuple[datetime, list[bytes]] | None = field(default=None, repr=False)

    def once(self) -> bool:
        """Fetch all lists, judge them, write the file; return whether the proxy was told. Raises Trouble, OSError."""
        now = self.clock.now()
        fetched = [self.fetch(address) for address in self.lists]
        if not self._is_taken(fetched, now):
            self._take(fetched, now)
        return self.proxy.tell()

    def _is_taken(self, fetched: Sequence[bytes], now: datetime) -> bool:
        if self._taken is None or not self.proxy.output.exists():
            return False
        until, before = self._taken
        return now < until and all(new is old for new, old in zip(fetched, before, strict=True))

    def _take(self, fetched: list[bytes], now: datetime) -> None:
        self._taken = None
        found = [self._judged(content, address, now) for content, address in zip(fetched, self.lists, strict=True)]
        missing = [one.subject.rfc4514_string() for one in self.authorities if all(crl.issuer != one.subject for crl in found)]
        if missing:
            raise Trouble(f"no list of {'; '.join(missing)}: nginx would refuse everybody")
        self._require_newer(found)
        self.proxy.write("".join(crl.public_bytes(Encoding.PEM).decode("ascii") for crl in found))
        self._taken = min(crl.next_update_utc or now for crl in found), fetched

    def _judged(self, content: bytes, address: str, now: datetime) -> x509.CertificateRevocationList:
        crl = _readable(content, address)
        # Of two authorities with one name (a new key) the one that signed it counts.
        if not any(one.subject == crl.issuer and crl.is_signature_valid(one.public_key()) for one in self.authorities):  # type: ignore[arg-type]
            raise Trouble(f"{address} is not signed by any authority of the bundle")
        if crl.next_update_utc is None or crl.next_update_utc <= now:
            raise Trouble(f"{address} is over since {crl.next_update_utc}")
        return crl

    def _require_newer(self, found: Sequence[x509.CertificateRevocationList]) -> None:
        for before in self._written():
            for crl in found:
                if crl.issuer == before.issuer and _key(crl) == _key(before) and number_of(crl) < number_of(before):
                    raise Trouble(f"list {number_of(crl)} of {crl.issuer.rfc4514_string()} is older than the one that is in use")

    def _written(self) -> list[x509.CertificateRevocationList]:
        if not self.proxy.output.exists():
            return []
        pem = self.proxy.output.read_bytes()
        parts = [part + _END for part in pem.split(_END)[:-1]]
        return [x509.load_pem_x509_crl(part) for part in parts]


_END = b"-----END X509 CRL-----\n"


def _readable(content: bytes, address: str) -> x509.CertificateRevocationList:
    """Return a list of which all that is asked for later can be read: a stranger may have put anything into it."""
    try:
        crl = x509.load_der_x509_crl(content)
        _ = crl.issuer, crl.next_update_utc, number_of(crl), _key(crl)
    except (x509.ExtensionNotFound, *UNREADABLE) as error:
        raise Trouble(f"{address} is no list that could be read: {error}") from None
    return crl


def _key(crl: x509.CertificateRevocationList) -> bytes | None:
    return crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
