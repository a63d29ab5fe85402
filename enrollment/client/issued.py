"""What is sent for a certificate, and what comes back: a certification request, a certificate and those above it."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.client.connection import Answer
from kernel.errors import Refused


def request_of(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a key's PKCS#10 request as PEM."""
    # The door takes the key and nothing else; the name in the certificate is the door's to say.
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return csr.public_bytes(Encoding.PEM).decode("ascii")


def certificates_of(answer: Answer) -> tuple[x509.Certificate, list[x509.Certificate]]:
    """Return the certificate of an answer and those above it, unjudged; raises Refused("answer-unexpected")."""
    certificate, above = answer.content.get("certificate"), answer.content.get("chain")
    if not isinstance(certificate, str) or not isinstance(above, str):
        raise Refused("answer-unexpected", status=answer.status)
    try:
        read = x509.load_pem_x509_certificate(certificate.encode())
        _ = read.public_key(), read.subject  # which are read only when somebody asks for them
        return read, x509.load_pem_x509_certificates(above.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise Refused("answer-unexpected", status=answer.status) from None
