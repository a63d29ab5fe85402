"""OCSP requests made by hand, so that they can also be made badly."""

from asn1crypto import algos, core, ocsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ca.issuers import Issuer


def cert_id(issuer: Issuer, serial: str, algorithm: str = "sha1") -> ocsp.CertId:
    """Return the name by which a certificate is asked for."""
    name, key = issuer.identifier_hashes(algorithm)
    return ocsp.CertId(
        {
            "hash_algorithm": algos.DigestAlgorithm({"algorithm": algorithm, "parameters": core.Null()}),
            "issuer_name_hash": name,
            "issuer_key_hash": key,
            "serial_number": int(serial, 16),
        }
    )


def request(*cert_ids: ocsp.CertId, extensions: list[dict[str, object]] | None = None) -> bytes:
    """Return a request for some certificates."""
    tbs: dict[str, object] = {"request_list": [{"req_cert": one} for one in cert_ids]}
    if extensions:
        tbs["request_extensions"] = extensions
    encoded: bytes = ocsp.OCSPRequest({"tbs_request": tbs}).dump()
    return encoded


def nonce(octets: bytes) -> dict[str, object]:
    """Return RFC 9654's extension."""
    value = core.ParsableOctetString(core.OctetString(octets).dump())
    return {"extn_id": "nonce", "critical": False, "extn_value": value}


class Told:
    """A response of success, its signature verified against the responder's certificate and that against the issuer's."""

    def __init__(self, der: bytes, issuer: Issuer) -> None:
        parsed = ocsp.OCSPResponse.load(der, strict=True)
        assert parsed["response_status"].native == "successful"
        basic = parsed["response_bytes"]["response"].parsed
        self.data = basic["tbs_response_data"]
        responder = x509.load_der_x509_certificate(basic["certs"][0].dump())
        responder.verify_directly_issued_by(issuer.certificate)
        public_key = responder.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        public_key.verify(basic["signature"].native, self.data.dump(), ec.ECDSA(hashes.SHA256()))
        assert self.data["responder_id"].chosen.native == basic["certs"][0].public_key.sha1

    @property
    def statuses(self) -> list[str]:
        """Return good, revoked or unknown, in the order asked."""
        return [single["cert_status"].name for single in self.data["responses"]]

    def revoked(self, at: int = 0) -> tuple[object, object]:
        """Return time and reason of a revoked one."""
        info = self.data["responses"][at]["cert_status"].chosen
        return info["revocation_time"].native, info["revocation_reason"].native

    @property
    def nonce(self) -> bytes | None:
        """Return the nonce's octets."""
        for extension in self.data["response_extensions"]:
            if extension["extn_id"].native == "nonce":
                octets: bytes = core.OctetString.load(bytes(extension["extn_value"])).native
                return octets
        return None

    @property
    def extended_revoke(self) -> bool:
        """Return whether RFC 6960 §4.4.8's extension is there."""
        return any(extension["extn_id"].dotted == "1.3.6.1.5.5.7.48.1.9" for extension in self.data["response_extensions"])


def error(der: bytes) -> str:
    """Return the status of a response without content."""
    parsed = ocsp.OCSPResponse.load(der, strict=True)
    assert parsed["response_bytes"].native is None
    status: str = parsed["response_status"].native
    return status
