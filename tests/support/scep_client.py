"""A SCEP client of our own making: RFC 8894 and RFC 5652 from the other side. A test may spoil each part of a message."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID

from ca.der import OCTET_STRING, PRINTABLE_STRING, SEQUENCE, SET, tlv
from enrollment.codes import Codes
from tests.support.clock import MORNING

ARC = "2.16.840.1.113733.1.9."
MESSAGE_TYPE, PKI_STATUS, FAIL_INFO = f"{ARC}2", f"{ARC}3", f"{ARC}4"
SENDER_NONCE, RECIPIENT_NONCE, TRANSACTION_ID = f"{ARC}5", f"{ARC}6", f"{ARC}7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.5"
AES_128, DES3 = "2.16.840.1.101.3.4.1.2", "1.2.840.113549.3.7"
PKCS_REQ, RENEWAL_REQ, CERT_POLL, GET_CERT, GET_CRL = "19", "17", "20", "21", "22"
HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}  # noqa: S303

# Values in DER by type; None leaves one out.
Attributes = dict[str, list[bytes] | None]


@cache
def client_key() -> rsa.RSAPrivateKey:
    """Return an RSA key that is made once for all tests."""
    return rsa.generate_private_key(65537, 2048)


def self_signed(key: CertificateIssuerPrivateKeyTypes, common_name: str = "any") -> x509.Certificate:
    """Return the certificate that a client signs its first message with (RFC 8894 §2.3)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    public, begin, end = key.public_key(), MORNING.replace(year=2025), MORNING.replace(year=2035)
    algorithm = hashes.SHA256() if hasattr(key, "private_numbers") else None
    return x509.CertificateBuilder(name, name, public, 7, begin, end).sign(key, algorithm)


def challenge_of(codes: Codes) -> str:
    """Return the challengePassword of a terminal's codes."""
    return f"{codes.access_key}-{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{codes.office_code}"


def request_of(key: CertificateIssuerPrivateKeyTypes, *challenges: str) -> bytes:
    """Return a certification request (DER)."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    for challenge in challenges:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    algorithm = hashes.SHA256() if hasattr(key, "private_numbers") else None
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


@dataclass
class Sealed:
    """An EnvelopedData to be."""

    content: bytes
    recipient: x509.Certificate
    cipher: str = AES_128
    key: bytes = b"k" * 16
    vector: bytes = b"v" * 16
    # Encrypted to another key than the recipient's, where a test wants that.
    to: rsa.RSAPublicKey | None = None
    key_algorithm: algos.AlgorithmIdentifier = field(
        default_factory=lambda: cms.KeyEncryptionAlgorithm({"algorithm": "rsaes_pkcs1v15", "parameters": core.Null()})
    )
    encrypted_key: bytes | None = None
    encrypted: bytes | None = None
    padding: Callable[[bytes, int], bytes] = field(default_factory=lambda: pad)
    recipients: Callable[[cms.RecipientInfo], list[cms.RecipientInfo]] = field(default_factory=lambda: lambda one: [one])

    def der(self) -> bytes:
        """Return the ContentInfo."""
        block = 8 if self.cipher == DES3 else 16
        algorithm = TripleDES if self.cipher == DES3 else AES
        encryptor = Cipher(algorithm(self.key[: 24 if block == 8 else 32]), CBC((self.vector * 2)[:block])).encryptor()
        encrypted = encryptor.update(self.padding(self.content, block)) + encryptor.finalize()
        if self.encrypted_key is None:
            public = self.to or self.recipient.public_key()
            assert isinstance(public, rsa.RSAPublicKey)
            self.encrypted_key = public.encrypt(self.key, PKCS1v15())
        transport = {
            "version": "v0",
            "rid": cms.RecipientIdentifier("issuer_and_serial_number", named(self.recipient)),
            "key_encryption_algorithm": self.key_algorithm,
            "encrypted_key": self.encrypted_key,
        }
        data = {
            "version": "v0",
            "recipient_infos": self.recipients(cms.RecipientInfo("ktri", cms.KeyTransRecipientInfo(transport))),
            "encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": {"algorithm": self.cipher, "parameters": core.OctetString(self.vector[:block])},
                "encrypted_content": encrypted if self.encrypted is None else self.encrypted,
            },
        }
        return dumped("enveloped_data", cms.EnvelopedData(data))


@dataclass
class Draft:
    """A pkiMessage to be; `content` None leaves it out, as it does an attribute. `more` are attributes once again."""

    key: CertificateIssuerPrivateKeyTypes
    certificate: x509.Certificate
    content: bytes | None
    attributes: Attributes
    more: list[tuple[str, list[bytes]]] = field(default_factory=list)
    digest: str = "sha256"
    digest_algorithm: str | None = None
    signature_algorithm: str = "1.2.840.113549.1.1.1"
    content_type: str = "data"
    certificates: list[x509.Certificate] | None = None
    signed: Callable[[bytes], bytes] = field(default_factory=lambda: as_set)
    signature: Callable[[bytes], bytes] = field(default_factory=lambda: bytes)
    infos: Callable[[cms.SignerInfo], list[cms.SignerInfo]] = field(default_factory=lambda: lambda one: [one])

    def set(self, kind: str, *values: bytes) -> None:
        """Set the values of an attribute."""
        self.attributes[kind] = list(values)

    def drop(self, kind: str) -> None:
        """Leave an attribute out."""
        self.attributes[kind] = None

    def der(self) -> bytes:
        """Return the ContentInfo."""
        digested = hashlib.new(self.digest, self.content or b"").digest()
        usual: Attributes = {CONTENT_TYPE: [cms.ContentType("data").dump()], MESSAGE_DIGEST: [tlv(OCTET_STRING, digested)]}
        present = [(kind, values) for kind, values in (usual | self.attributes).items() if values is not None]
        encoded = tlv(SET, b"".join(_attribute(kind, values) for kind, values in [*present, *self.more]))
        info = {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", named(self.certificate)),
            "digest_algorithm": {"algorithm": self.digest_algorithm or self.digest, "parameters": core.Null()},
            "signature_algorithm": {"algorithm": self.signature_algorithm},
            "signature": self.signature(self._sign(self.signed(encoded))),
        }
        if present:
            info["signed_attrs"] = cms.CMSAttributes.load(encoded)
        encapsulated: dict[str, object] = {"content_type": self.content_type}
        if self.content is not None:
            encapsulated["content"] = self.content
        shown = [self.certificate] if self.certificates is None else self.certificates
        data = {
            "version": "v1",
            "digest_algorithms": [],
            "encap_content_info": encapsulated,
            "signer_infos": self.infos(cms.SignerInfo(info)),
        }
        if shown:
            data["certificates"] = [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in shown]
        return dumped("signed_data", cms.SignedData(data))

    def _sign(self, content: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(content, PKCS1v15(), HASHES.get(self.digest, hashes.SHA256()))
        return b"no signature of RSA"


def message(content: bytes, recipient: x509.Certificate, message_type: str = PKCS_REQ) -> Draft:
    """Return a good message with an envelope around some content, signed by a client's self-signed certificate."""
    return signed_by(client_key(), self_signed(client_key()), Sealed(content, recipient).der(), message_type)


def signed_by(key: rsa.RSAPrivateKey, certificate: x509.Certificate, content: bytes, message_type: str = PKCS_REQ) -> Draft:
    """Return a good message around an envelope."""
    attributes: Attributes = {
        MESSAGE_TYPE: [printable(message_type)],
        TRANSACTION_ID: [printable("a transaction")],
        SENDER_NONCE: [tlv(OCTET_STRING, b"a nonce of 16 o.")],
    }
    return Draft(key, certificate, content, attributes)


@dataclass(frozen=True)
class Told:
    """What an answer says; `certificates` were in its envelope."""

    status: str
    fail_info: str | None
    text: str | None
    attributes: dict[str, object]
    certificates: list[x509.Certificate]
    lists: list[bytes]
    cipher: str | None
    digest: str
    signature_algorithm: str


def read_answer(encoded: bytes, authority: x509.Certificate, key: rsa.RSAPrivateKey) -> Told:
    """Verify an answer by the registration authority's certificate and decrypt it by the client's key."""
    data = cms.ContentInfo.load(encoded, strict=True)["content"]
    [info] = data["signer_infos"]
    attributes = {one["type"].dotted: one["values"][0].native for one in info["signed_attrs"]}
    public, digest = authority.public_key(), info["digest_algorithm"]["algorithm"].native
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(info["signature"].native, as_set(info["signed_attrs"].dump()), PKCS1v15(), HASHES[digest])
    content = data["encap_content_info"]["content"].contents or b""
    assert attributes[MESSAGE_DIGEST] == hashlib.new(digest, content).digest()
    sealed = None
    if content:
        sealed = cms.ContentInfo.load(content)["content"]
    inner = cms.ContentInfo.load(_opened(sealed, key))["content"] if sealed else None
    certificates = [x509.load_der_x509_certificate(one.dump()) for one in (inner["certificates"] or ())] if inner else []
    return Told(
        status=str(attributes[PKI_STATUS]),
        fail_info=attributes.get(FAIL_INFO),
        text=attributes.get(FAIL_INFO_TEXT),
        attributes=attributes,
        certificates=certificates,
        lists=[one.dump() for one in (inner["crls"] or ())] if inner else [],
        cipher=sealed["encrypted_content_info"]["content_encryption_algorithm"]["algorithm"].dotted if sealed else None,
        digest=digest,
        signature_algorithm=info["signature_algorithm"]["algorithm"].dotted,
    )


def _opened(sealed: cms.EnvelopedData, key: rsa.RSAPrivateKey) -> bytes:
    [recipient] = sealed["recipient_infos"]
    content_key = key.decrypt(recipient.chosen["encrypted_key"].native, PKCS1v15())
    info = sealed["encrypted_content_info"]
    algorithm = TripleDES if info["content_encryption_algorithm"]["algorithm"].dotted == DES3 else AES
    vector = info["content_encryption_algorithm"]["parameters"].native
    decryptor = Cipher(algorithm(content_key), CBC(vector)).decryptor()
    plain = decryptor.update(info["encrypted_content"].native) + decryptor.finalize()
    return plain[: -plain[-1]]


def named(certificate: x509.Certificate) -> cms.IssuerAndSerialNumber:
    """Return how a certificate is named."""
    issuer = asn1_x509.Name.load(certificate.issuer.public_bytes())
    return cms.IssuerAndSerialNumber({"issuer": issuer, "serial_number": certificate.serial_number})


def printable(text: str) -> bytes:
    """Return a PrintableString."""
    return tlv(PRINTABLE_STRING, text.encode())


def _attribute(kind: str, values: list[bytes]) -> bytes:
    return tlv(SEQUENCE, core.ObjectIdentifier(kind).dump() + tlv(SET, b"".join(values)))


def pad(content: bytes, block: int) -> bytes:
    """Pad (RFC 5652 §6.3)."""
    missing = block - len(content) % block
    return content + bytes([missing]) * missing


def as_set(attributes: bytes) -> bytes:
    """Return what is signed of attributes: the SET OF (RFC 5652 §5.4)."""
    return b"\x31" + attributes[1:]


def dumped(kind: str, data: core.Asn1Value) -> bytes:
    """Return a ContentInfo."""
    encoded: bytes = cms.ContentInfo({"content_type": kind, "content": data}).dump()
    return encoded
