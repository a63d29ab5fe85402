"""What can be wrong with a message, in CMP's words (RFC 9810 §5.2.3), and how our refusals are told in them."""

from collections.abc import Mapping
from enum import IntEnum

from kernel.errors import Refused

# Longer than any honest message: a request with an RSA-4096 key and a chain of certificates.
LARGEST = 65_536


class FailInfo(IntEnum):
    """PKIFailureInfo: the bit that is set."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4
    BAD_DATA_FORMAT = 5
    WRONG_AUTHORITY = 6
    BAD_POP = 9
    CERT_REVOKED = 10
    CERT_CONFIRMED = 11
    WRONG_INTEGRITY = 12
    BAD_RECIPIENT_NONCE = 13
    ADD_INFO_NOT_AVAILABLE = 17
    BAD_SENDER_NONCE = 18
    BAD_CERT_TEMPLATE = 19
    SIGNER_NOT_TRUSTED = 20
    TRANSACTION_ID_IN_USE = 21
    UNSUPPORTED_VERSION = 22
    NOT_AUTHORIZED = 23
    SYSTEM_UNAVAIL = 24
    SYSTEM_FAILURE = 25
    DUPLICATE_CERT_REQ = 26


class NotCmp(Exception):
    """What came is no CMP message: there is nobody to answer to."""


class Fault(Exception):
    """A message is refused: `texts` are sentences for its sender. They never repeat what was sent."""

    def __init__(self, info: FailInfo, *texts: str) -> None:
        super().__init__(info.name, *texts)
        self.info = info
        self.texts = texts


_BY_REFUSAL: Mapping[str, FailInfo] = {
    "codes-wrong": FailInfo.BAD_MESSAGE_CHECK,
    "input-invalid": FailInfo.BAD_MESSAGE_CHECK,
    "throttled": FailInfo.SYSTEM_UNAVAIL,
    "codes-spent": FailInfo.DUPLICATE_CERT_REQ,
    "renewal-spent": FailInfo.DUPLICATE_CERT_REQ,
    "certificate-foreign": FailInfo.SIGNER_NOT_TRUSTED,
    "certificate-unreadable": FailInfo.SIGNER_NOT_TRUSTED,
    "certificate-revoked": FailInfo.CERT_REVOKED,
    # Superseded: another certificate is the terminal's now.
    "certificate-not-current": FailInfo.CERT_REVOKED,
    "certificate-changed": FailInfo.BAD_CERT_ID,
    "certificate-none": FailInfo.BAD_CERT_ID,
    "csr-malformed": FailInfo.BAD_DATA_FORMAT,
    "csr-signature": FailInfo.BAD_POP,
    "key-unsupported": FailInfo.BAD_ALG,
    "key-weak": FailInfo.BAD_CERT_TEMPLATE,
    "key-too-short-for-period": FailInfo.BAD_CERT_TEMPLATE,
    "key-used": FailInfo.BAD_CERT_TEMPLATE,
    "key-blocked": FailInfo.BAD_CERT_TEMPLATE,
}


def info_of(refusal: Refused) -> FailInfo:
    """Return the bit for a refusal: what no other word fits is not allowed to this sender now."""
    return _BY_REFUSAL.get(refusal.code, FailInfo.NOT_AUTHORIZED)
