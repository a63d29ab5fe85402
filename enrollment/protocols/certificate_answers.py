"""How the doors' REST interfaces answer with a certificate: JSON, PEM or PKCS#7, as the client accepts."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from flask import Request, Response, json

from enrollment.issuance import Retrieved

PEM, PKCS7, JSON = "application/x-pem-file", "application/pkcs7-mime", "application/json"


def certificate_response(request: Request, retrieved: Retrieved) -> Response:
    """Return a certificate in the form that the client accepts: JSON unless it asks for PEM or PKCS#7."""
    certificate = x509.load_der_x509_certificate(retrieved.certificate.der or b"")
    chain = [link.certificate for link in retrieved.chain]
    wanted = request.accept_mimetypes.best_match([JSON, PEM, PKCS7], default=JSON)
    if wanted == PKCS7:
        content: bytes | str = pkcs7.serialize_certificates([certificate, *chain], Encoding.DER)
    elif wanted == PEM:
        content = _pem(certificate, *chain)
    else:
        content = json.dumps(
            {
                "terminal": retrieved.terminal,
                "serial": retrieved.certificate.serial,
                "not_before": timestamp(retrieved.certificate.not_before),
                "not_after": timestamp(retrieved.certificate.not_after),
                "certificate": _pem(certificate),
                "chain": _pem(*chain),
            }
        )
    response = Response(content, status=201 if retrieved.is_new else 200, mimetype=wanted)
    response.headers["Cache-Control"] = "no-store"
    return response


def timestamp(instant: datetime) -> str:
    """Return an instant as RFC 3339 writes it, in UTC and whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pem(*certificates: x509.Certificate) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in certificates)
