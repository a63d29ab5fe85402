"""The kinds of messages that SCEP has."""

from enum import StrEnum


class MessageType(StrEnum):
    """RFC 8894 §3.2.1.2, as it is written in a message."""

    CERT_REP = "3"
    RENEWAL_REQ = "17"
    PKCS_REQ = "19"
    CERT_POLL = "20"
    GET_CERT = "21"
    GET_CRL = "22"
