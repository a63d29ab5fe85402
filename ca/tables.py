"""The certificate authority's tables. Only this room reads or writes them."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime


class IssuerRow(Base):
    """A certificate authority of ours: its certificate, the name of its key, its CRL counters."""

    __tablename__ = "ca_issuer"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_name: Mapped[str] = mapped_column(String(60))
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    crl_number: Mapped[int] = mapped_column(BigInteger, default=0)
    # Raised by every change that a CRL must show; the publisher remembers which revision its last CRL showed.
    revision: Mapped[int] = mapped_column(BigInteger, default=0)


class CertificateRow(Base):
    """One certificate, from the moment its serial number and its to-be-signed bytes are promised.

    `serial` is lower-case hexadecimal without leading zeros. `subject` is the terminal's name, or the name of
    one of our own services. `tbs` is what is signed, to the octet; `der` is there once it was.
    """

    __tablename__ = "ca_certificate"
    __table_args__ = (
        UniqueConstraint("issuer", "serial"),
        Index("ix_ca_certificate_subject", "subject"),
        # RFC 5280 knows no such rule, ours does: a key belongs to one PC, so it gets one certificate, ever.
        Index(
            "uq_ca_certificate_terminal_key",
            "spki_sha256",
            unique=True,
            sqlite_where=text("kind = 'terminal' AND state <> 'abandoned'"),
            postgresql_where=text("kind = 'terminal' AND state <> 'abandoned'"),
        ),
        Index(
            "ix_ca_certificate_listed",
            "issuer",
            sqlite_where=text("state IN ('held', 'revoked', 'abandoned')"),
            postgresql_where=text("state IN ('held', 'revoked', 'abandoned')"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(40))
    serial: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str] = mapped_column(String(64))
    spki_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    state: Mapped[str] = mapped_column(String(10))
    tbs: Mapped[bytes] = mapped_column(LargeBinary)
    der: Mapped[bytes | None] = mapped_column(LargeBinary)
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    not_after: Mapped[datetime] = mapped_column(UtcDateTime)
    reserved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it was revoked, held or abandoned; the time that CRL and OCSP name.
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(String(30))


class CrlRow(Base):
    """A CRL that was signed; the highest number is the one in force."""

    __tablename__ = "ca_crl"

    issuer: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)
    this_update: Mapped[datetime] = mapped_column(UtcDateTime)
    next_update: Mapped[datetime] = mapped_column(UtcDateTime)
    der: Mapped[bytes] = mapped_column(LargeBinary)
