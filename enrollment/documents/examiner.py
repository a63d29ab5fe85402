"""Reading a stranger's PDF and judging its signature: a program of its own, which ends with its one answer.

    python -m enrollment.documents.examiner < one line of JSON, then the file    > an `Examination` as JSON

It knows no database, no key and no network. `enrollment.documents.children` starts it, and bounds its time.

The time of judgement is that of the file's last time stamp: certificates end, and what they signed stays signed. That stamp's
own unit is ours, so whoever could forge that time holds a key of ours; the door compares the octets with what was issued.
"""

import json
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from asn1crypto import x509
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from enrollment.documents.confinement import confine
from enrollment.documents.examination import Examination, Outcome

_USAGE = KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=True)


def examine(content: bytes, roots: Sequence[bytes], now: datetime) -> Examination:
    """Judge a file by our roots (DER); whatever it is, there is an answer."""
    try:
        reader = PdfFileReader(BytesIO(content), strict=True)
        if reader.encrypted:
            return Examination(Outcome.UNREADABLE)
        signatures, stamps = reader.embedded_regular_signatures, reader.embedded_timestamp_signatures
    except Exception:  # noqa: BLE001 (of a stranger's file anything may be wrong, and all of it is the same answer)
        return Examination(Outcome.UNREADABLE)
    if not signatures:
        return Examination(Outcome.UNSIGNED)
    try:
        return _judged(content, (signatures, stamps), [x509.Certificate.load(root) for root in roots], now)
    except Exception:  # noqa: BLE001 (the same: a signature that can not even be read does not hold)
        return _named(Outcome.CHANGED, signatures[0])


def _judged(
    content: bytes,
    found: tuple[list[EmbeddedPdfSignature], list[EmbeddedPdfSignature]],
    roots: list[x509.Certificate],
    now: datetime,
) -> Examination:
    signatures, stamps = found
    first = signatures[0]
    if not _leads_to(first, roots):
        return _named(Outcome.FOREIGN, first)
    if len(signatures) != 1 or not stamps:
        return _named(Outcome.CHANGED, first)
    last = stamps[-1]
    # A stamp of the future is none: our clock decides.
    moment = min(_stamped_at(last) or now, now)
    context = _context(first, roots, moment)
    signature = validate_pdf_signature(
        first, signer_validation_context=context, ts_validation_context=context, key_usage_settings=_USAGE
    )
    stamp = validate_pdf_timestamp(last, validation_context=_context(first, roots, moment))
    # Nothing may follow the last stamp: it covers the file to its last octet.
    covers = last.evaluate_signature_coverage() == SignatureCoverageLevel.ENTIRE_FILE and not _loose_octets(last, content)
    is_whole = signature.bottom_line and stamp.intact and stamp.valid and stamp.trusted and covers
    return _named(Outcome.WHOLE if is_whole else Outcome.CHANGED, first, signature)


def _context(signature: EmbeddedPdfSignature, roots: list[x509.Certificate], moment: datetime) -> ValidationContext:
    settings: dict[str, Any] = {"trust_roots": roots, "moment": moment, "allow_fetching": False, "revocation_mode": "require"}
    try:
        store = DocumentSecurityStore.read_dss(signature.reader)
    except NoDSSFoundError:
        return ValidationContext(**settings)
    return store.as_validation_context(settings)


def _leads_to(signature: EmbeddedPdfSignature, roots: list[x509.Certificate]) -> bool:
    """Tell, by names alone, whether the signer's path ends at one of ours: by signatures it is judged later."""
    known = {root.subject.hashable for root in roots}
    by_subject = {one.subject.hashable: one for one in signature.other_embedded_certs}
    link, seen = signature.signer_cert, 0
    while link is not None and seen <= len(by_subject):
        if link.issuer.hashable in known:
            return True
        link, seen = by_subject.get(link.issuer.hashable), seen + 1
    return False


def _loose_octets(signature: EmbeddedPdfSignature, content: bytes) -> bool:
    """Tell whether the place of a signature itself, which no signature covers, is written otherwise than we write it.

    There is one way: the signature in hexadecimal, then zeros.
    """
    _, begin, end, _ = (int(number) for number in signature.byte_range)
    filled: bytes = signature.pkcs7_content
    return content[begin:end] != b"<" + filled.hex().upper().encode("ascii") + b">" or any(filled[_length(filled) :])


def _length(der: bytes) -> int:
    """Return the length of the DER value at the beginning of some octets."""
    first = der[1]
    if first < 0x80:  # noqa: PLR2004 (X.690 §8.1.3.4)
        return 2 + first
    octets = first & 0x7F
    return 2 + octets + int.from_bytes(der[2 : 2 + octets], "big")


def _stamped_at(stamp: EmbeddedPdfSignature) -> datetime | None:
    told = stamp.signed_data["encap_content_info"]["content"].parsed["gen_time"].native
    return told if isinstance(told, datetime) else None


def _named(outcome: Outcome, signature: EmbeddedPdfSignature, status: PdfSignatureStatus | None = None) -> Examination:
    """Return an outcome with what the file says of its signer; what can not be read is left out."""
    try:
        certificate = signature.signer_cert
        name, der = str(certificate.subject.native.get("common_name", "")), certificate.dump()
    except (ValueError, TypeError, KeyError, AttributeError, PdfError):
        return Examination(outcome)
    stamped = status.timestamp_validity if status is not None else None
    if stamped is None or not stamped.valid:
        return Examination(outcome, name[:200], der)
    unit = str(stamped.signing_cert.subject.native.get("common_name", ""))
    return Examination(outcome, name[:200], der, stamped.timestamp, unit[:200])


def main() -> None:
    """Answer one question and end."""
    logging.disable()  # pyHanko tells what it finds; the answer says it
    confine()
    asked = json.loads(sys.stdin.buffer.readline())
    roots = [bytes.fromhex(root) for root in asked["roots"]]
    found = examine(sys.stdin.buffer.read(), roots, datetime.fromisoformat(asked["now"]))
    sys.stdout.buffer.write(found.written())


if __name__ == "__main__":
    main()
