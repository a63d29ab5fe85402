"""What proves, inside a signed document, that none of its certificates was revoked when it was signed.

Terminals' lists grow to a million entries, so for certificates below an issuing CA it is an OCSP response of our own responder;
for the issuing CA itself it is the root's short list (docs/decisions/0038-documents.md).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from kernel.errors import Unavailable

# Answers an OCSP request (DER) at an instant.
Ask = Callable[[bytes, datetime], bytes]


@dataclass(frozen=True)
class Evidence:
    """OCSP responses and revocation lists (DER)."""

    ocsp_responses: tuple[bytes, ...]
    lists: tuple[bytes, ...]


def gather(
    certificates: Iterable[tuple[x509.Certificate, x509.Certificate]], lists: Iterable[bytes], ask: Ask, now: datetime
) -> Evidence:
    """Ask for the state of certificates, each given with its issuer's, and put it beside the roots' lists.

    Raises Unavailable when the responder does not say that a certificate is good: what is signed then proves nothing.
    """
    responses = []
    for certificate, issuer in certificates:
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256()).build()
        der = ask(request.public_bytes(Encoding.DER), now)
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL or answer.certificate_status != ocsp.OCSPCertStatus.GOOD:
            raise Unavailable(f"OCSP does not call {certificate.subject.rfc4514_string()} good")
        responses.append(der)
    return Evidence(tuple(responses), tuple(lists))
