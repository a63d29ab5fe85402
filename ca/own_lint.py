"""The lint of our own certificates before they are signed: the checker's reading, the rules of their kind, and pkilint.

They are few and nobody waits for them, so everything that judges certificates afterwards judges these before
(docs/decisions/0044-what-is-our-own-is-linted-before-it-is-signed.md). What stands on record as promised is read from there,
so that the octets that pass are the octets that are signed. No door loads this: it brings pkilint.
"""

from collections.abc import Iterator

from cryptography import x509
from sqlalchemy.orm import Session

from ca import inspection, issuers, linting, profile_history
from ca.certificates import CertificateRecord, as_record
from ca.findings import Said
from ca.issuers import Issuer
from ca.lint import LintError
from ca.own_profiles import OwnKind, OwnProfile
from ca.own_rules import OwnRules
from ca.signing import assemble
from ca.tables import CertificateRow

# Where the signature will be.
_UNSIGNED = b"\x30\x00"
# RFC 5280 §4.2.1.1 lets a self-signed certificate go without; pkilint tells one by its signature, which is not there yet.
_OF_ROOTS: linting.Allowed = (("pkix.authority_key_identifier_extension_absent", ""),)


class OwnLintError(LintError):
    """What we were about to sign for ourselves is not what its profile says: nothing was signed."""

    def __init__(self, subject: str, findings: list[str]) -> None:
        super().__init__(findings)
        self.subject = subject

    def __str__(self) -> str:
        """Return what is told to whoever asked for it."""
        return f"the certificate of {self.subject} was not signed, for it would not be as it must be: {'; '.join(self.findings)}"


def require_clean(session: Session, row: CertificateRow) -> None:
    """Raise OwnLintError unless what is promised, the octets of this row, may be signed."""
    record = as_record(row)
    profile = profile_history.own(session, row.profile)
    if profile is None:
        raise OwnLintError(row.subject, [f"it names {row.profile} as its profile, which nothing is known of"])
    linked = issuers.load(session, profile.linked) if profile.linked is not None else None
    try:
        issuer = issuers.load(session, row.issuer) or _root_to_be(record)
    except (ValueError, x509.InvalidVersion):
        raise OwnLintError(row.subject, ["it is not a TBSCertificate in DER"]) from None
    if issuer is None:
        raise OwnLintError(row.subject, [f"there is no issuer {row.issuer}"])
    rules = OwnRules(profile, issuer, linked, is_first=not row.follows)
    if findings := [text for _, text in _findings(record, profile, rules)]:
        raise OwnLintError(row.subject, findings)


def _findings(record: CertificateRecord, profile: OwnProfile, rules: OwnRules) -> Iterator[Said]:
    yield from inspection.document_findings(record, rules.issuer)
    yield from rules.findings(record)
    allowed = linting.by_design_of_ours([profile]) + (_OF_ROOTS if profile.kind == OwnKind.ROOT else ())
    for text in linting.lint(assemble(record.tbs, _UNSIGNED), allowed):
        yield "lint", text


def _root_to_be(record: CertificateRecord) -> Issuer | None:
    """Return the issuer that a root is to be: it signs itself, and is not one before."""
    if record.issuer != record.subject:
        return None
    return Issuer(record.issuer, record.subject, x509.load_der_x509_certificate(assemble(record.tbs, _UNSIGNED)))
