"""Answers as clients read them: by pyasn1's own encoding of RFC 9810, with the protection checked each time."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from asn1crypto import parser
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pyasn1.codec.der import decoder, encoder
from pyasn1_alt_modules import rfc8018, rfc9810

from tests.enrollment.protocols.cmp.writing import PBM, seq


@dataclass(frozen=True)
class Answer:
    """An answer: its body's name, and what its header and body say."""

    message: Any
    body: str
    protection: str

    @property
    def header(self) -> Any:  # noqa: ANN401 (pyasn1's values)
        """The header."""
        return self.message["header"]

    @property
    def content(self) -> Any:  # noqa: ANN401 (pyasn1's values)
        """The body's content."""
        return self.message["body"][self.body]

    @property
    def status(self) -> Any:  # noqa: ANN401 (pyasn1's values)
        """The PKIStatusInfo, wherever this kind of body has it."""
        if self.body == "error":
            return self.content["pKIStatusInfo"]
        if self.body == "rp":
            return self.content["status"][0]
        return self.content["response"][0]["status"]

    @property
    def fail_info(self) -> str | None:
        """The name of the one bit that is set."""
        bits = self.status["failInfo"]
        if not bits.hasValue():
            return None
        [position] = [index for index, bit in enumerate(bits) if bit]
        return next(str(name) for name, value in bits.namedValues.items() if value == position)

    @property
    def texts(self) -> list[str]:
        """The status string."""
        return [str(text) for text in self.status["statusString"]]

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate of ip, cp or kup."""
        given = self.content["response"][0]["certifiedKeyPair"]["certOrEncCert"]["certificate"]
        return x509.load_der_x509_certificate(contents(given))

    def nonce(self, name: str = "senderNonce") -> bytes:
        """Return a nonce of the header."""
        return bytes(self.header[name])


def contents(value: Any) -> bytes:  # noqa: ANN401 (pyasn1's values)
    """Return what stands inside an explicit tag."""
    inside: bytes = parser.parse(encoder.encode(value))[4]
    return inside


def read(octets: bytes, secret: bytes, signer: x509.Certificate) -> Answer:
    """Read an answer and check its protection, by the secret or by the signer's key."""
    message, rest = decoder.decode(octets, asn1Spec=rfc9810.PKIMessage())
    assert rest == b""
    assert encoder.encode(message) == octets, "the answer is not DER"
    protection = message["protection"].asOctets() if message["protection"].hasValue() else None
    if protection is None:
        return Answer(message, message["body"].getName(), "none")
    covered = seq(encoder.encode(message["header"]), encoder.encode(message["body"]))
    algorithm = message["header"]["protectionAlg"]
    if str(algorithm["algorithm"]) == PBM:
        parameters, _ = decoder.decode(bytes(algorithm["parameters"]), asn1Spec=rfc9810.PBMParameter())
        key = secret + bytes(parameters["salt"])
        for _ in range(int(parameters["iterationCount"])):
            key = hashlib.sha256(key).digest()
        assert hmac.digest(key, covered, "sha256") == protection
        return Answer(message, message["body"].getName(), "PBM")
    if str(algorithm["algorithm"]) == "1.2.840.113549.1.5.14":
        parameters, _ = decoder.decode(bytes(algorithm["parameters"]), asn1Spec=rfc8018.PBMAC1_params())
        derivation = bytes(parameters["keyDerivationFunc"]["parameters"])
        chosen, _ = decoder.decode(derivation, asn1Spec=rfc8018.PBKDF2_params())
        salt, rounds = bytes(chosen["salt"]["specified"]), int(chosen["iterationCount"])
        key = hashlib.pbkdf2_hmac("sha256", secret, salt, rounds, int(chosen["keyLength"]))
        assert hmac.digest(key, covered, "sha256") == protection
        return Answer(message, message["body"].getName(), "PBMAC1")
    public_key = signer.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    public_key.verify(protection, covered, ec.ECDSA(hashes.SHA256()))
    first = encoder.encode(message["extraCerts"][0])
    assert x509.load_der_x509_certificate(first) == signer
    return Answer(message, message["body"].getName(), "signature")
