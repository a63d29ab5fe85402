"""How the doors' REST interfaces answer with a certificate: JSON, PEM or PKCS#7, as the client accepts."""

from ssl import DER_cert_to_PEM_cert

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from flask import Response
from pydantic import Field

from enrollment.issuance import Retrieved
from enrollment.protocols.json_bodies import JSON, AnswerBody, Instant, answer

PEM, PKCS7 = "application/x-pem-file", "application/pkcs7-mime"
# In the order in which they are preferred where the client is not.
FORMS = (JSON, PEM, PKCS7)


class CertificateAnswer(AnswerBody):
    """A certificate and those above it, without the root."""

    terminal: str
    serial: str = Field(description="The serial number in hexadecimal digits", pattern="^[0-9a-f]+$")
    not_before: Instant
    not_after: Instant
    certificate: str = Field(description="PEM")
    chain: str = Field(description="The CA certificates above it as PEM, the issuing CA's first, without the root's")


def certificate_response(form: str, retrieved: Retrieved) -> Response:
    """Return a certificate in one of `FORMS`: 201 for a new one, 200 for what this key was given before."""
    status = 201 if retrieved.is_new else 200
    if form == JSON:
        return answer(told(retrieved), status=status)
    if form == PKCS7:
        certificate = x509.load_der_x509_certificate(retrieved.certificate.der or b"")
        content = pkcs7.serialize_certificates([certificate, *(link.certificate for link in retrieved.chain)], Encoding.DER)
    else:
        content = (_pem(retrieved) + _chain_pem(retrieved)).encode("ascii")
    response = Response(content, status=status, mimetype=form)
    response.headers["Cache-Control"] = "no-store"
    return response


def told(retrieved: Retrieved) -> CertificateAnswer:
    """Return what a certificate's answer says in JSON."""
    return CertificateAnswer(
        terminal=retrieved.terminal,
        serial=retrieved.certificate.serial,
        not_before=retrieved.certificate.not_before,
        not_after=retrieved.certificate.not_after,
        certificate=_pem(retrieved),
        chain=_chain_pem(retrieved),
    )


def _pem(retrieved: Retrieved) -> str:
    return DER_cert_to_PEM_cert(retrieved.certificate.der or b"")


def _chain_pem(retrieved: Retrieved) -> str:
    return "".join(link.pem for link in retrieved.chain)
