"""Signing a document so that it can be verified for years: PAdES B-LTA (ETSI EN 319 142-1 §6), certified against any change.

The key signs through `keys.algorithms`, so it may be a token's; the time stamps come from our own authority, in process;
what proves that nobody was revoked is put into the file, so that verifying asks nobody.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO

from asn1crypto import algos, tsp
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, PdfTimeStamper, Signer
from pyhanko.sign.fields import InvisSigSettings, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ca.issuers import asking_custody
from ca.timestamps import AnswersStamps
from enrollment.documents.evidence import Evidence
from kernel.database import forbid_open_transaction
from keys.algorithms import SigningKey, algorithm_of

# It warns each time that it fetches nothing, which is what we want; what goes wrong is raised.
logging.getLogger("pyhanko").setLevel(logging.ERROR)

FIELD, STAMP_FIELD = "Signature", "Timestamp"
# An invisible field has no picture; this is what a reader's signature panel and screen readers call it.
FIELD_NAME = "発行者の電子署名（Issuer's digital signature）"
# pyHanko signs by these; ML-DSA has no place in CMS of PDF yet.
_SIGNS = {"p256", "p384", "rsa3072", "rsa4096", "ed25519"}


@dataclass(frozen=True)
class DocumentSigner:
    """The documents' signing certificate with its key, those above it with the roots, and what stamps the time.

    Raises ValueError at once when key and certificate do not belong together, or the key is of a kind that PDF does not know.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]
    key: SigningKey = field(repr=False)
    timestamps: AnswersStamps = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key that can not do the work."""
        if self.key.public_key() != self.certificate.public_key():
            raise ValueError("the key of the documents' signer does not match its certificate")
        if algorithm_of(self.certificate.public_key()).name not in _SIGNS:
            raise ValueError("the documents' signer has a key of a kind that signatures in PDF do not know")

    def sign(self, pdf: bytes, evidence: Evidence, now: datetime) -> bytes:
        """Return the document signed, stamped, with all that verifying it takes, and stamped again.

        Raises Unavailable while the key's custody does not answer.
        """
        forbid_open_transaction()
        metadata = PdfSignatureMetadata(
            field_name=FIELD,
            md_algorithm=self._digest,
            reason="承認通知の発行 (Issue of an approval notice)",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
            embed_validation_info=True,
            validation_context=self._context(evidence, now),
        )
        place = SigFieldSpec(FIELD, readable_field_name=FIELD_NAME, invis_sig_settings=InvisSigSettings(box_out_of_bounds=True))
        stamper = _InProcessStamper(self.timestamps, now)
        signer = _TimedSigner(metadata, _CustodySigner(self), timestamper=stamper, new_field_spec=place)
        signer.now = now
        # pyHanko runs an event loop of its own, which the caller's thread may not have already.
        with ThreadPoolExecutor(max_workers=1) as apart:
            return apart.submit(_sign_and_stamp, signer, stamper, pdf).result()

    def _context(self, evidence: Evidence, now: datetime) -> ValidationContext:
        return ValidationContext(
            trust_roots=_parsed(self.roots),
            other_certs=_parsed(self.chain),
            moment=now,
            ocsps=[asn1_ocsp.OCSPResponse.load(der) for der in evidence.ocsp_responses],
            crls=list(evidence.lists),
            revocation_mode="require",
            allow_fetching=False,
        )

    @property
    def _digest(self) -> str:
        chosen = algorithm_of(self.certificate.public_key()).hash
        return chosen.name if chosen else "sha512"  # RFC 8419 §3: Ed25519 goes with SHA-512


class _CustodySigner(Signer):
    """pyHanko's view of our key: it is asked for each signature, wherever it is kept."""

    def __init__(self, own: DocumentSigner) -> None:
        self._own = own
        self._algorithm = algorithm_of(own.certificate.public_key())
        registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        # The roots, too: a list of theirs is looked up by who signed it, years after they left everybody's store.
        registry.register_multiple(_parsed([*own.chain, *own.roots]))
        super().__init__(
            signing_cert=_parsed([own.certificate])[0],
            cert_registry=registry,
            signature_mechanism=algos.SignedDigestAlgorithm.load(self._algorithm.identifier),
        )

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: FBT001, FBT002 (pyHanko's own signature)
        """Sign octets; when only the size is asked for, no key is troubled."""
        del digest_algorithm  # the key's kind decides it
        if dry_run:
            return bytes(_LONGEST[self._algorithm.name])
        signature = self._algorithm.sign(self._own.key, data)
        # A faulty device must not put a broken signature into the world.
        self._algorithm.verify(self._own.certificate.public_key(), signature, data)  # type: ignore[arg-type]  # checked when made
        return signature


# Octets of the longest signature of each kind: ECDSA's is two numbers in DER.
_LONGEST = {"p256": 72, "p384": 104, "rsa3072": 384, "rsa4096": 512, "ed25519": 64}


class _InProcessStamper(TimeStamper):
    """Asks our own authority by RFC 3161's octets, as anybody would, only without a network."""

    def __init__(self, authority: AnswersStamps, now: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._authority, self._now = authority, now

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """Return the authority's answer."""
        return tsp.TimeStampResp.load(self._authority.answer(req.dump(), self._now))


def _sign_and_stamp(signer: PdfSigner, stamper: TimeStamper, pdf: bytes) -> bytes:
    with asking_custody():
        signed = signer.sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)))
        # Not pyHanko's own B-LTA, which writes once more after the last stamp: ours covers the file to its last octet. What
        # verifying this stamp takes is in the file already, from the signature's own stamp of the same unit.
        stamped = PdfTimeStamper(stamper, field_name=STAMP_FIELD).timestamp_pdf(
            IncrementalPdfFileWriter(signed), "sha256", validation_context=None
        )
    content: bytes = stamped.getvalue()
    return content


class _TimedSigner(PdfSigner):
    """pyHanko's signer, which takes the signing time from us: a use case reads the clock once."""

    now: datetime

    def init_signing_session(self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False) -> PdfSigningSession:  # noqa: FBT001, FBT002 (pyHanko's own signature)
        """Begin a signature at our time."""
        session = super().init_signing_session(pdf_out, existing_fields_only=existing_fields_only)
        session.system_time = self.now
        return session


def _parsed(certificates: Sequence[x509.Certificate]) -> list[asn1_x509.Certificate]:
    return [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in certificates]
