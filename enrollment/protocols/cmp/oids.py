"""The object identifiers of CMP's information types and controls, and how one is written."""

from functools import cache

from pyasn1.codec.der import encoder
from pyasn1.type.univ import ObjectIdentifier

_INFORMATION, _CONTROLS = "1.3.6.1.5.5.7.4", "1.3.6.1.5.5.7.5.1"

SIGN_KEY_PAIR_TYPES = f"{_INFORMATION}.2"
CURRENT_CRL = f"{_INFORMATION}.6"
UNSUPPORTED_OIDS = f"{_INFORMATION}.7"
IMPLICIT_CONFIRM = f"{_INFORMATION}.13"
CONFIRM_WAIT_TIME = f"{_INFORMATION}.14"
CA_CERTS = f"{_INFORMATION}.17"
ROOT_CA_KEY_UPDATE = f"{_INFORMATION}.18"
CERT_REQ_TEMPLATE = f"{_INFORMATION}.19"
ROOT_CA_CERT = f"{_INFORMATION}.20"
CRL_STATUS_LIST = f"{_INFORMATION}.22"
CRLS = f"{_INFORMATION}.23"

PKI_ARCHIVE_OPTIONS = f"{_CONTROLS}.4"
OLD_CERT_ID = f"{_CONTROLS}.5"
ALGORITHM_CONTROL = f"{_CONTROLS}.11"
RSA_LENGTH_CONTROL = f"{_CONTROLS}.12"


@cache
def encoded_oid(oid: str) -> bytes:
    """Return an object identifier in DER; for those of ours only, for each is kept."""
    octets: bytes = encoder.encode(ObjectIdentifier(oid))
    return octets
