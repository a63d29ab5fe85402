"""What the world is told of certificates, as the checker sees it: the published lists, and the responder's answers.

It reads files and answers as any relying party would, and none of the tables from which they were made.
"""

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509 import ocsp as pyca_ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.certificates import CertificateRecord, CertificateState
from ca.der import OCTET_STRING, SEQUENCE, integer, tlv
from ca.findings import Finding, Said
from ca.inspection import LISTED, parsed_tbs
from ca.issuers import Issuer
from keys.algorithms import algorithm_of

# One question may name so many certificates.
QUESTION = 100
_SHA256 = bytes.fromhex("300b0609608648016503040201")
# Takes a request, returns a response (DER); raises OSError when nobody answers.
Ask = Callable[[bytes], bytes]
ListEntry = tuple[datetime, str | None]
# An entry in memory: serial number (RFC 5280 §4.1.2.2: at most 20 octets), seconds, which of the reasons.
_SERIAL = 20
_ENTRY = struct.Struct(f">{_SERIAL}sqB")


class ListedEntries:
    """What a list names, packed and in the order of serial numbers: of a million certificates thirty megabytes."""

    def __init__(self, crl: x509.CertificateRevocationList) -> None:
        self._reasons: list[str | None] = [None]
        self._packed = b"".join(sorted(map(self._pack, crl)))

    def __iter__(self) -> Iterator[int]:
        """Yield the serial numbers, in their order."""
        for at in range(0, len(self._packed), _ENTRY.size):
            yield int.from_bytes(_ENTRY.unpack_from(self._packed, at)[0], "big")

    def get(self, serial: int) -> ListEntry | None:
        """Return when and why a certificate was revoked, if the list names it."""
        wanted = serial.to_bytes(_SERIAL, "big")
        places = range(len(self._packed) // _ENTRY.size)
        place = bisect_left(places, wanted, key=lambda one: self._packed[one * _ENTRY.size : one * _ENTRY.size + _SERIAL])
        if place == len(places):
            return None
        found, at, reason = _ENTRY.unpack_from(self._packed, place * _ENTRY.size)
        return (datetime.fromtimestamp(at, UTC), self._reasons[reason]) if found == wanted else None

    def _pack(self, entry: x509.RevokedCertificate) -> bytes:
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        except x509.ExtensionNotFound:
            reason = None
        if reason not in self._reasons:
            self._reasons.append(reason)
        at = int(entry.revocation_date_utc.timestamp())
        return _ENTRY.pack(entry.serial_number.to_bytes(_SERIAL, "big"), at, self._reasons.index(reason))


@dataclass
class PublishedLists:
    """The CRLs that are published in a folder, read once, by name of file."""

    folder: Path
    now: datetime
    _read: dict[str, ListedEntries | None] = field(default_factory=dict, repr=False)

    def verify(self, issuer: Issuer) -> Iterator[Finding]:
        """Find what is wrong with an issuer's complete list itself."""
        name = f"{issuer.name}.crl"
        crl = self._load(name)
        if crl is None:
            yield Finding("crl-missing", issuer.name, "", f"{name} is not published, or can not be read")
            return
        try:
            issuer.algorithm.verify(issuer.public_key, crl.signature, crl.tbs_certlist_bytes)
        except InvalidSignature:
            yield Finding("crl-signature", issuer.name, "", f"the issuer's key did not sign {name}")
        if crl.next_update_utc is None or crl.next_update_utc <= self.now:
            yield Finding("crl-stale", issuer.name, "", f"{name} was to be replaced at {crl.next_update_utc}")
        if crl.last_update_utc > self.now:
            yield Finding("crl-stale", issuer.name, "", f"{name} is from the future, {crl.last_update_utc}")

    def serials(self, issuer: Issuer) -> Iterator[str]:
        """Return what an issuer's complete list names, by serial number as it is stored."""
        for serial in self._entries(f"{issuer.name}.crl") or ():
            yield f"{serial:x}"

    def findings(self, record: CertificateRecord) -> Iterator[Said]:
        """Compare a certificate's row with the complete list and with the one that the certificate names."""
        named = _named_list(record.tbs)
        for name in sorted({f"{record.issuer}.crl", *([named] if named else [])}):
            entries = self._entries(name)
            if entries is None:
                yield "crl-missing", f"{name} is not published, or can not be read"
                continue
            yield from _compared(record, entries.get(int(record.serial, 16)), name, self.now)

    def _entries(self, name: str) -> ListedEntries | None:
        if name not in self._read:
            crl = self._load(name)
            try:
                self._read[name] = None if crl is None else ListedEntries(crl)
            except OverflowError:  # a serial number that no certificate may have
                self._read[name] = None
        return self._read[name]

    def _load(self, name: str) -> x509.CertificateRevocationList | None:
        try:
            return x509.load_der_x509_crl((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None


def _compared(record: CertificateRecord, entry: ListEntry | None, name: str, now: datetime) -> Iterator[Said]:
    if record.state not in LISTED:
        if entry is not None:
            yield "crl-lists-it", f"it is {record.state}, and {name} names it"
        return
    if entry is None:
        if record.not_after > now:  # afterwards it may leave the list
            yield "crl-lacks-it", f"it is {record.state}, and {name} does not name it"
        return
    wanted = None if record.reason == "unspecified" else record.reason
    if record.revoked_at is None or entry != (record.revoked_at.replace(microsecond=0), wanted):
        yield "crl-differs", f"{name} has another time or reason"


def _named_list(tbs: bytes) -> str | None:
    """Return the file's name of the list that a certificate names."""
    try:
        points = _extension(tbs, "crl_distribution_points") or []
        urls = [url for point in points for url in point["distribution_point"] or ()]
        return urlsplit(urls[0]).path.rpartition("/")[2] if urls else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # told elsewhere


def names_responder(record: CertificateRecord) -> bool:
    """Return whether a certificate says that a responder may be asked about it."""
    try:
        access = _extension(record.tbs, "authority_information_access") or []
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return any(one["access_method"] == "ocsp" for one in access)


def _extension(tbs: bytes, name: str) -> list[dict[str, Any]] | None:
    for extension in parsed_tbs(tbs)["extensions"]:
        if extension["extn_id"].native == name:
            value: list[dict[str, Any]] = extension["extn_value"].parsed.native
            return value
    return None


def asked(
    records: Sequence[CertificateRecord], issuer: Issuer, ask: Ask, now: datetime
) -> Iterator[tuple[CertificateRecord, Said]]:
    """Ask the responder about certificates of one issuer and compare its answers with their rows."""
    for begin in range(0, len(records), QUESTION):
        part = records[begin : begin + QUESTION]
        answer = pyca_ocsp.load_der_ocsp_response(ask(_question(part, issuer)))
        if answer.response_status != pyca_ocsp.OCSPResponseStatus.SUCCESSFUL:
            yield part[0], ("ocsp-refused", f"the responder says {answer.response_status.name.lower()}")
            continue
        for said in _signature_findings(answer, issuer):
            yield part[0], said
        answers = {single.serial_number: single for single in answer.responses}
        for record in part:
            for said in _answer_findings(record, answers.get(int(record.serial, 16)), now):
                yield record, said


def _question(records: Sequence[CertificateRecord], issuer: Issuer) -> bytes:
    """Return a request (RFC 6960 §4.1.1) by SHA-256, without nonce."""
    name, key = (tlv(OCTET_STRING, digest) for digest in issuer.identifier_hashes("sha256"))
    wanted = (tlv(SEQUENCE, _SHA256 + name + key + integer(int(record.serial, 16))) for record in records)
    requests = b"".join(tlv(SEQUENCE, cert_id) for cert_id in wanted)
    return tlv(SEQUENCE, tlv(SEQUENCE, tlv(SEQUENCE, requests)))


def _signature_findings(answer: pyca_ocsp.OCSPResponse, issuer: Issuer) -> Iterator[Said]:
    """Judge the signature as RFC 6960 §4.2.2.2 demands: by a responder that this issuer delegated."""
    if not answer.certificates:
        yield "ocsp-signature", "the answer carries no responder's certificate"
        return
    responder = answer.certificates[0]
    try:
        issuer.algorithm.verify(issuer.public_key, responder.signature, responder.tbs_certificate_bytes)
        purposes = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        key = responder.public_key()
        algorithm_of(key).verify(key, answer.signature, answer.tbs_response_bytes)  # type: ignore[arg-type]  # it was looked up
    except (InvalidSignature, ValueError, x509.ExtensionNotFound):
        yield "ocsp-signature", "the answer is not signed by a responder of this issuer"
        return
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        yield "ocsp-signature", "the answer is signed by a certificate that may not do so"


def _answer_findings(record: CertificateRecord, single: pyca_ocsp.OCSPSingleResponse | None, now: datetime) -> Iterator[Said]:
    if single is None:
        yield "ocsp-silent", "the responder does not answer for it"
        return
    if single.next_update_utc is not None and single.next_update_utc <= now - timedelta(minutes=1):
        yield "ocsp-stale", f"the answer was good until {single.next_update_utc}"
    good = pyca_ocsp.OCSPCertStatus.GOOD
    wanted = good if record.state == CertificateState.VALID else pyca_ocsp.OCSPCertStatus.REVOKED
    if single.certificate_status != wanted:
        yield "ocsp-differs", f"it is {record.state}, and the responder says {single.certificate_status.name.lower()}"
        return
    if record.state not in LISTED or record.revoked_at is None:
        return
    reason = single.revocation_reason.value if single.revocation_reason else None
    wanted_reason = None if record.reason == "unspecified" else record.reason
    if single.revocation_time_utc != record.revoked_at.replace(microsecond=0) or reason not in (wanted_reason, record.reason):
        yield "ocsp-differs", "the responder has another time or reason"
