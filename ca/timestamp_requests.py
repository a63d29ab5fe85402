"""Time-stamp requests (RFC 3161 §2.4.1): read strictly, refused with the failure that the RFC names for each fault."""

import hashlib
from dataclasses import dataclass

from asn1crypto import algos, core, tsp

from ca.strictness import require_der

# The longest honest request carries SHA-512, a policy and a nonce: well below this many octets.
LARGEST_REQUEST = 2_048
# What is still good enough to stand for a document; SHA-1 is not.
DIGESTS = ("sha256", "sha384", "sha512")


class TimestampRefused(Exception):
    """No token is given. `failure` is a PKIFailureInfo (RFC 3161 §2.4.2) as asn1crypto names it, the text is for people."""

    def __init__(self, failure: str, text: str) -> None:
        super().__init__(text)
        self.failure = failure
        self.text = text


@dataclass(frozen=True)
class Imprint:
    """What is stamped: a document's digest. `has_null` keeps the way in which the algorithm's parameters were left empty."""

    algorithm: str
    digest: bytes
    has_null: bool = True

    @classmethod
    def of(cls, content: bytes) -> "Imprint":
        """Return the imprint of a document."""
        return cls("sha256", hashlib.sha256(content).digest())

    def encoded(self) -> "tsp.MessageImprint":
        """Return the ASN.1 value, equal to the one that was asked for (RFC 3161 §2.4.2)."""
        parameters = core.Null() if self.has_null else None
        algorithm = algos.DigestAlgorithm({"algorithm": self.algorithm, "parameters": parameters})
        return tsp.MessageImprint({"hash_algorithm": algorithm, "hashed_message": self.digest})


@dataclass(frozen=True)
class TimestampRequest:
    """A request that can be granted as far as its form goes; `policy` is None when any will do."""

    imprint: Imprint
    policy: str | None = None
    nonce: int | None = None
    wants_certificates: bool = False


def read(der: bytes) -> TimestampRequest:
    """Read a request; raises TimestampRefused."""
    if not 0 < len(der) <= LARGEST_REQUEST:
        raise TimestampRefused("bad_data_format", "the request has no sensible size")
    try:
        require_der(der)
        parsed = tsp.TimeStampReq.load(der, strict=True)
        facts = parsed.native
        has_null = isinstance(parsed["message_imprint"]["hash_algorithm"]["parameters"], core.Null)
    except (ValueError, TypeError, KeyError, AttributeError):  # AttributeError: asn1crypto about types without a value
        raise TimestampRefused("bad_data_format", "this is no time-stamp request") from None
    if len(facts) > len(tsp.TimeStampReq._fields):  # asn1crypto keeps what follows the last field, under a number
        raise TimestampRefused("bad_data_format", "there is more in the request than belongs there")
    if facts["version"] != "v1":
        raise TimestampRefused("bad_request", "only version 1 is known")
    asked = facts["message_imprint"]
    imprint = Imprint(asked["hash_algorithm"]["algorithm"], asked["hashed_message"], has_null)
    if imprint.algorithm not in DIGESTS:
        raise TimestampRefused("bad_alg", f"the digest must be one of {', '.join(DIGESTS)}")
    if imprint.encoded().dump() != parsed["message_imprint"].dump():  # the same, one storey below
        raise TimestampRefused("bad_data_format", "there is more in the imprint than belongs there")
    if len(imprint.digest) != hashlib.new(imprint.algorithm).digest_size:
        raise TimestampRefused("bad_data_format", "the digest's length is not its algorithm's")
    if facts["extensions"]:
        # RFC 3161 §2.4.1: also for one that is not critical.
        raise TimestampRefused("unaccepted_extensions", "no extension is known")
    return TimestampRequest(imprint, facts["req_policy"], facts["nonce"], facts["cert_req"])
