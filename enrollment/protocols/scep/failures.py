"""How SCEP tells what went wrong: failInfo and, for people, failInfoText (RFC 8894 §3.2.1.4)."""

from collections.abc import Mapping
from enum import StrEnum

from enrollment.protocols.problems import tell
from kernel.errors import Refused


class FailInfo(StrEnum):
    """RFC 8894 §3.2.1.4, as it is written in a message."""

    BAD_ALG = "0"
    BAD_MESSAGE_CHECK = "1"
    BAD_REQUEST = "2"
    BAD_TIME = "3"
    BAD_CERT_ID = "4"


class MalformedError(Exception):
    """No such structure: not even a failure could be told in the protocol's own form."""


class ScepFault(Exception):
    """A message that can be answered, by a failure. `text` is for whoever reads the client's log."""

    def __init__(self, fail_info: FailInfo, text: str) -> None:
        super().__init__(text)
        self.fail_info, self.text = fail_info, text


# What is not named here is badRequest: "transaction not permitted or supported".
FAILURES: Mapping[str, FailInfo] = {
    "key-unsupported": FailInfo.BAD_ALG,
    "key-weak": FailInfo.BAD_ALG,
    "key-too-short-for-period": FailInfo.BAD_ALG,
    "csr-malformed": FailInfo.BAD_MESSAGE_CHECK,
    "csr-signature": FailInfo.BAD_MESSAGE_CHECK,
    "certificate-unreadable": FailInfo.BAD_CERT_ID,
    "certificate-foreign": FailInfo.BAD_CERT_ID,
    "certificate-not-current": FailInfo.BAD_CERT_ID,
    "certificate-revoked": FailInfo.BAD_CERT_ID,
    "certificate-held": FailInfo.BAD_CERT_ID,
}
# Where the sentence of the REST interface would not help.
_TEXTS = {
    "input-invalid": "The challengePassword must be ACCESSKEY-CODE1-CODE2-CODE3-OFFICE.",
    "csr-malformed": "The message could not be checked.",
    "csr-signature": "The message could not be checked.",
}


def fault_of(refusal: Refused) -> ScepFault:
    """Return how a refusal is told."""
    text = _TEXTS.get(refusal.code) or tell(refusal.code, refusal.facts).english
    return ScepFault(FAILURES.get(refusal.code, FailInfo.BAD_REQUEST), text)


def bad_message() -> ScepFault:
    """Return the one answer for whatever is wrong inside a message.

    One for all: who could tell a wrong key from wrong padding or from wrong content could decrypt what others sent
    (Bleichenbacher 1998, Vaudenay 2002).
    """
    return ScepFault(FailInfo.BAD_MESSAGE_CHECK, "The message could not be checked.")
