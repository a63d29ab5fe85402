"""The Cryptographic Message Syntax (RFC 5652) as SCEP uses it: one signer, one recipient, RSA on both sides.

Reads and writes without any connection. What is read was made definite before (`ber`), and each structure is read
strictly; nothing that was signed is encoded anew.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from ca.der import elements
from ca.issuers import asking_custody
from enrollment.protocols.scep import ber
from enrollment.protocols.scep.algorithms import AES_128, CIPHERS, DIGESTS, ContentCipher, Digest
from enrollment.protocols.scep.failures import FailInfo, MalformedError, ScepFault, bad_message

DATA, SIGNED_DATA, ENVELOPED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.3"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
_RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
# RSASSA-PKCS1-v1_5 by its several names (RFC 3370 §3.2, RFC 5754 §3.2); each but the first says its digest.
_RSA_SIGNATURES = {
    _RSA_ENCRYPTION: None,
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
}
_MOST_CERTIFICATES, _MOST_RECIPIENTS, _MOST_ATTRIBUTES = 10, 4, 32
_RSA_BITS = (1024, 8192)  # what is verified at all; which keys may be certified is the authority's to say

# What asn1crypto and pyca raise for octets that are no such structure.
_UNREADABLE = (
    *(ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError),
    *(UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension),
)


@contextmanager
def reading() -> Iterator[None]:
    """Turn what a parser says of octets that are no such structure into MalformedError."""
    try:
        yield
    except _UNREADABLE:
        # asn1crypto reads lazily, and says "no such value" in as many ways.
        raise MalformedError from None


@dataclass(frozen=True)
class Signer:
    """Who signed: the certificate (DER) as it was sent, and its public key."""

    certificate: bytes
    public_key: rsa.RSAPublicKey = field(repr=False)
    issuer: bytes = field(repr=False)
    serial: int


@dataclass(frozen=True)
class SignedMessage:
    """A SignedData with its one signer. `attributes` are single values (DER) by their types."""

    content: bytes = field(repr=False)
    digest: str
    signature_algorithm: str
    attributes: Mapping[str, bytes] = field(repr=False)
    _signed: bytes = field(repr=False)
    _signature: bytes = field(repr=False)
    _signer: asn1_x509.Certificate | None = field(repr=False)

    def verify(self) -> Signer:
        """Return the signer; raises ScepFault unless the signature and the digest are right."""
        algorithm = DIGESTS.get(self.digest)
        expected = _RSA_SIGNATURES.get(self.signature_algorithm, "")
        if algorithm is None or expected not in {None, self.digest}:
            raise ScepFault(FailInfo.BAD_ALG, "Sign by RSA with SHA-1, SHA-256, SHA-384 or SHA-512.")
        signer = self._read_signer()
        if self.attributes.get(_CONTENT_TYPE) != core.ObjectIdentifier(DATA).dump():
            raise bad_message()  # RFC 5652 §11.1
        if self.attributes.get(_MESSAGE_DIGEST) != core.OctetString(hashed(algorithm, self.content)).dump():
            raise bad_message()  # RFC 5652 §11.2
        try:
            signer.public_key.verify(self._signature, self._signed, PKCS1v15(), algorithm)
        except InvalidSignature:
            raise bad_message() from None
        return signer

    def _read_signer(self) -> Signer:
        if self._signer is None:
            raise ScepFault(FailInfo.BAD_MESSAGE_CHECK, "The signer's certificate is not in the message.")
        try:
            with reading():
                key = load_der_public_key(self._signer.public_key.dump())
                der, issuer, serial = self._signer.dump(), self._signer.issuer.dump(), self._signer.serial_number
        except MalformedError:
            raise bad_message() from None
        smallest, largest = _RSA_BITS
        if not isinstance(key, rsa.RSAPublicKey) or not smallest <= key.key_size <= largest:
            raise ScepFault(FailInfo.BAD_ALG, "The signer's key must be RSA: the answer is encrypted to it.")
        return Signer(der, key, issuer, serial)


def read_signed(encoded: bytes) -> SignedMessage:
    """Read a ContentInfo with SignedData, in BER or DER; raises MalformedError."""
    with reading():
        data = _content(ber.definite(encoded), SIGNED_DATA)
        [info] = data["signer_infos"]
        found = list(_attributes(info["signed_attrs"]))
        if len({kind for kind, _ in found}) < len(found):
            raise ValueError("RFC 8894 §3.2.1: an attribute stands once")
        encapsulated = data["encap_content_info"]
        if encapsulated["content_type"].dotted != DATA:
            raise ValueError("RFC 8894 §3.2: the content is data")
        return SignedMessage(
            content=encapsulated["content"].contents or b"",
            digest=str(info["digest_algorithm"]["algorithm"].native),
            signature_algorithm=info["signature_algorithm"]["algorithm"].dotted,
            attributes=dict(found),
            # RFC 5652 §5.4: signed is the SET OF, not the [0] that stands in the message.
            _signed=b"\x31" + info["signed_attrs"].dump()[1:],
            _signature=info["signature"].native,
            _signer=_signer(data["certificates"], info["sid"]),
        )


@dataclass(frozen=True)
class Envelope:
    """An EnvelopedData for one recipient (RFC 5652 §6)."""

    cipher: ContentCipher
    encrypted_key: bytes = field(repr=False)
    vector: bytes = field(repr=False)
    content: bytes = field(repr=False)

    def open(self, key: rsa.RSAPrivateKey) -> bytes:
        """Return what may be the plain text. Never says whether it is: garbage is for the next parser to refuse.

        A key that does not decrypt gives another one, chosen at random (so does OpenSSL itself, for wrong padding), and
        wrong padding of the content is left where it is. Raises Unavailable while the key's custody does not answer.
        """
        fallback = secrets.token_bytes(self.cipher.key_size)
        try:
            with asking_custody():
                found = key.decrypt(self.encrypted_key, PKCS1v15())
        except ValueError:
            found = fallback
        plain = self.cipher.decrypt(found if len(found) == self.cipher.key_size else fallback, self.vector, self.content)
        count = plain[-1]
        is_padded = 0 < count <= self.cipher.block and plain.endswith(bytes([count]) * count)
        return plain[: -count if is_padded else len(plain)]


def read_envelope(encoded: bytes, recipient: x509.Certificate) -> Envelope:
    """Read a ContentInfo with EnvelopedData; raises ScepFault: badAlg for algorithms that are not known, else uniformly."""
    try:
        with reading():
            data = _content(ber.definite(encoded), ENVELOPED_DATA)
            encrypted = data["encrypted_content_info"]
            algorithm = encrypted["content_encryption_algorithm"]
            cipher = CIPHERS.get(algorithm["algorithm"].dotted)
            ours = _recipient(data["recipient_infos"], recipient)
            key_algorithm = ours["key_encryption_algorithm"]["algorithm"].dotted
            encrypted_key, content = ours["encrypted_key"].native, encrypted["encrypted_content"].native
            vector = core.OctetString.load(algorithm["parameters"].dump(), strict=True).native if cipher else b""
    except MalformedError:
        raise bad_message() from None
    if cipher is None or key_algorithm != _RSA_ENCRYPTION:
        raise ScepFault(FailInfo.BAD_ALG, "Encrypt with AES-CBC or three-key DES-EDE3-CBC, and the key by RSA PKCS#1 v1.5.")
    if len(vector) != cipher.block or not content or len(content) % cipher.block:
        raise bad_message()
    return Envelope(cipher, encrypted_key, vector, content)


def envelope(content: bytes, recipient: Signer, cipher: ContentCipher = AES_128) -> bytes:
    """Encrypt to whoever asked; return a ContentInfo with EnvelopedData."""
    key = secrets.token_bytes(cipher.key_size)
    vector, encrypted = cipher.encrypt(key, content)
    info = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": _identifier(recipient.issuer, recipient.serial, cms.RecipientIdentifier),
            "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15", "parameters": core.Null()},
            "encrypted_key": recipient.public_key.encrypt(key, PKCS1v15()),
        }
    )
    data = {
        "version": "v0",
        "recipient_infos": [cms.RecipientInfo("ktri", info)],
        "encrypted_content_info": {
            "content_type": "data",
            "content_encryption_algorithm": cipher.identifier(vector),
            "encrypted_content": encrypted,
        },
    }
    return _wrapped("enveloped_data", cms.EnvelopedData(data))


@dataclass(frozen=True)
class Signing:
    """By whom, and with what digest, a message is signed."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    digest: str


def signed(content: bytes | None, attributes: Mapping[str, core.Asn1Value], by: Signing) -> bytes:
    """Sign; return a ContentInfo with SignedData. RFC 5652 §5.3: rsaEncryption names the signature's algorithm.

    Raises Unavailable while the key's custody does not answer.
    """
    digest = DIGESTS[by.digest]
    values = {
        _CONTENT_TYPE: cms.ContentType("data"),
        _MESSAGE_DIGEST: core.OctetString(hashed(digest, content or b"")),
        **attributes,
    }
    signed_attributes = cms.CMSAttributes([{"type": kind, "values": [value]} for kind, value in values.items()])
    certificate = asn1_x509.Certificate.load(by.certificate.public_bytes(Encoding.DER))
    with asking_custody():
        signature = by.key.sign(signed_attributes.dump(), PKCS1v15(), digest)
    info = {
        "version": "v1",
        "sid": _identifier(certificate.issuer.dump(), certificate.serial_number, cms.SignerIdentifier),
        "digest_algorithm": _digest_identifier(by.digest),
        "signed_attrs": signed_attributes,
        "signature_algorithm": {"algorithm": "rsassa_pkcs1v15", "parameters": core.Null()},
        "signature": signature,
    }
    return _wrapped("signed_data", _signed_data(content, [certificate], [_digest_identifier(by.digest)], [info]))


def without_message(certificates: Sequence[x509.Certificate], lists: Sequence[bytes] = ()) -> bytes:
    """Return a ContentInfo with certificates, or revocation lists (DER), and nothing that is signed (RFC 5652 §5)."""
    loaded = [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in certificates]
    data = _signed_data(None, loaded, [], [])
    if lists:
        data["crls"] = [cms.RevocationInfoChoice.load(one) for one in lists]
    return _wrapped("signed_data", data)


def hashed(algorithm: Digest, content: bytes) -> bytes:
    """Return a digest."""
    digest = hashes.Hash(algorithm)
    digest.update(content)
    return digest.finalize()


def _content(encoded: bytes, kind: str) -> core.Asn1Value:
    info = cms.ContentInfo.load(encoded, strict=True)
    if info["content_type"].dotted != kind:
        raise ValueError("another type of content")
    return info["content"]


def _attributes(attributes: cms.CMSAttributes) -> Iterator[tuple[str, bytes]]:
    if len(attributes) > _MOST_ATTRIBUTES:
        raise ValueError("too many attributes")
    for attribute in attributes:
        [value] = elements(attribute["values"].dump())
        yield attribute["type"].dotted, value


def _signer(certificates: cms.CertificateSet | None, sid: cms.SignerIdentifier) -> asn1_x509.Certificate | None:
    if not certificates:
        return None
    if len(certificates) > _MOST_CERTIFICATES:
        raise ValueError("too many certificates")
    for choice in certificates:
        if choice.name == "certificate" and _names(sid, choice.chosen):
            return choice.chosen
    return None


def _names(identifier: cms.SignerIdentifier | cms.RecipientIdentifier, certificate: asn1_x509.Certificate) -> bool:
    """Return whether a SignerIdentifier or RecipientIdentifier means a certificate (RFC 5652 §5.3, §6.2.1)."""
    if identifier.name == "issuer_and_serial_number":
        named = identifier.chosen
        is_issuer: bool = named["issuer"].dump() == certificate.issuer.dump()
        return is_issuer and named["serial_number"].native == certificate.serial_number
    return bool(certificate.key_identifier == identifier.chosen.native)


def _recipient(recipients: cms.RecipientInfos, certificate: x509.Certificate) -> cms.KeyTransRecipientInfo:
    """Return what is for us: our certificate's, or the first one, since a renewed certificate has the same key."""
    if len(recipients) > _MOST_RECIPIENTS:
        raise ValueError("too many recipients")
    ours = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    transports = [one.chosen for one in recipients if one.name == "ktri"]
    return next((one for one in transports if _names(one["rid"], ours)), transports[0])


def _identifier(issuer: bytes, serial: int, kind: type[core.Choice]) -> core.Choice:
    named = cms.IssuerAndSerialNumber({"issuer": asn1_x509.Name.load(issuer), "serial_number": serial})
    return kind("issuer_and_serial_number", named)


def _digest_identifier(digest: str) -> algos.DigestAlgorithm:
    return algos.DigestAlgorithm({"algorithm": digest, "parameters": core.Null()})


def _signed_data(
    content: bytes | None,
    certificates: list[asn1_x509.Certificate],
    digests: list[algos.DigestAlgorithm],
    infos: list[dict[str, object]],
) -> cms.SignedData:
    encapsulated: dict[str, object] = {"content_type": "data"}
    if content is not None:
        encapsulated["content"] = content
    data = {"version": "v1", "digest_algorithms": digests, "encap_content_info": encapsulated, "signer_infos": infos}
    if certificates:
        data["certificates"] = certificates
    return cms.SignedData(data)


def _wrapped(kind: str, data: core.Asn1Value) -> bytes:
    encoded: bytes = cms.ContentInfo({"content_type": kind, "content": data}).dump()
    return encoded
