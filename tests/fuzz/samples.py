"""Good inputs of every form that is taken: what the mutated ones are made of."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache

from asn1crypto import algos, core, ocsp, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca.profiles import new_serial
from ca.requests import RequestedKey, spki_digest
from ca.signing import certify
from ca.template import template_of
from tests.ca.ocsp_requests import cert_id, nonce, request
from tests.ca.trial import NOW, PROFILE, SUBJECT, TODAY, trial_issuer

RETRIEVAL = {
    "access_key": "1234567890123",
    "auth_code_1": "NAC999W",
    "auth_code_2": "ABCDEF",
    "auth_code_3": "ABCDE",
    "office_code": "NAC001",
    "csr": "-----BEGIN CERTIFICATE REQUEST-----\nMIH=\n-----END CERTIFICATE REQUEST-----\n",
}
REISSUE = {"remark": "PCの入れ替え", "reason": "pc-replaced"}
LOGON = {"terminal": "99999W", "access_key": "1234567890123"}


@cache
def key_of_each_kind() -> tuple[CertificateIssuerPrivateKeyTypes, ...]:
    """Return a key of every kind that a terminal may have; the RSA key is as short as one may be."""
    return (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    )


@cache
def requests() -> Sequence[bytes]:
    """Return certification requests (DER), some with a subject and attributes."""
    subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), x509.NameAttribute(NameOID.COMMON_NAME, "99999W")])
    alternative = x509.SubjectAlternativeName([x509.DNSName("example.jp")])
    made = []
    for key in key_of_each_kind():
        digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        bare = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        full = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(alternative, critical=False)
        full = full.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, b"1234")
        made += [builder.sign(key, digest).public_bytes(Encoding.DER) for builder in (bare, full)]
    return tuple(made)


@cache
def pem_requests() -> Sequence[bytes]:
    """Return the same in PEM, as the doors get them."""
    return tuple(x509.load_der_x509_csr(der).public_bytes(Encoding.PEM) for der in requests())


@cache
def certificates() -> Sequence[bytes]:
    """Return terminals' certificates (DER) under the trial issuer, and the issuer's own."""
    signer = trial_issuer()
    template, validity = template_of(signer.issuer, PROFILE), PROFILE.validity(TODAY, NOW)
    made = [signer.issuer.der]
    for key in key_of_each_kind():
        public = key.public_key()
        spki = RequestedKey(public, spki_digest(public)).spki  # type: ignore[arg-type]  # of the kinds above
        made.append(certify(template.tbs(new_serial(), validity, SUBJECT, spki), signer))
    return tuple(made)


@cache
def ocsp_requests() -> Sequence[bytes]:
    """Return OCSP requests: one and several certificates, both hashes, nonces, a signature, a name."""
    issuer = trial_issuer().issuer
    one, other = cert_id(issuer, "1234567890abcdef"), cert_id(issuer, "f" * 40, "sha256")
    bare = cert_id(issuer, "80")
    bare["hash_algorithm"] = algos.DigestAlgorithm({"algorithm": "sha256"})
    extension: dict[str, object] = {"extn_id": "1.2.3.4", "critical": False, "extn_value": core.ParsableOctetString(b"\x05\x00")}
    signed = ocsp.OCSPRequest.load(request(one))
    signed["optional_signature"] = {"signature_algorithm": {"algorithm": "sha256_ecdsa"}, "signature": b"1234"}
    named = ocsp.OCSPRequest.load(request(one))
    named["tbs_request"]["requestor_name"] = asn1_x509.GeneralName("dns_name", "example.jp")
    return (
        request(one),
        request(one, other, bare),
        request(one, extensions=[nonce(b"0123456789abcdef")]),
        request(bare, extensions=[extension, nonce(b"1")]),
        request(*[cert_id(issuer, f"{number:x}") for number in range(1, 20)], extensions=[nonce(bytes(128))]),
        signed.dump(force=True),
        named.dump(force=True),
    )


@cache
def timestamp_requests() -> Sequence[bytes]:
    """Return time-stamp requests: digests, policy, nonce, certificates wanted."""
    given: tuple[tuple[str, dict[str, object]], ...] = (
        ("sha256", {}),
        ("sha512", {"req_policy": "1.2.3.4", "nonce": 2**70 + 1, "cert_req": True}),
        ("sha384", {}),
    )
    made = []
    for algorithm, fields in given:
        digest = hashlib.new(algorithm, b"document").digest()
        named = algos.DigestAlgorithm({"algorithm": algorithm, "parameters": core.Null()})
        imprint = tsp.MessageImprint({"hash_algorithm": named, "hashed_message": digest})
        made.append(tsp.TimeStampReq({"version": "v1", "message_imprint": imprint} | fields).dump())
    return tuple(made)


OCSP_DER = b"\x30\x03\x02\x01\x07"
HTTP = (
    b"POST /ocsp HTTP/1.1\r\nHost: status.example.jp\r\nContent-Type: application/ocsp-request\r\n"
    b"Content-Length: 5\r\n\r\n" + OCSP_DER,
    b"GET /ocsp/MAMCAQc%3D HTTP/1.1\r\nHost: status.example.jp\r\n\r\n",
)
RETRIEVAL_BODY = b'{"access_key": "1"}'
RETRIEVAL_HTTP = (
    b"POST /api/v1/retrievals HTTP/1.1\r\nHost: retrieval.example.jp\r\nX-Forwarded-For: 192.0.2.7\r\nAccept: */*\r\n"
    b"Content-Type: application/json\r\nContent-Length: 19\r\n\r\n" + RETRIEVAL_BODY,
    b"POST /api/v1/retrievals HTTP/1.1\r\nConnection: close\r\nHost: [::1]:8444\r\nContent-Length: 19\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n\r\n" + RETRIEVAL_BODY,
)
TYPED = ("1234-5678-9012-3\nnac999w\nABC-DEF\nabcde\nｎａｃ－００１".encode(), b"1234567890123\nNAC999W\nABCDEF\nABCDE\nNAC001")
TILES = (b"0/000", b"0/x001/x234/067", b"1/255.p/17", b"63/x999/999")


def bodies(fields: dict[str, str]) -> Sequence[bytes]:
    """Return a JSON body, plain and with every character escaped."""
    plain = json.dumps(fields, ensure_ascii=False)
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in fields[next(iter(fields))])
    return plain.encode(), json.dumps(fields, indent=1).replace(next(iter(fields.values())), escaped).encode()
