"""The certificate authority's tables. Only this room reads or writes them."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, UniqueConstraint, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime


class IssuerRow(Base):
    """A certificate authority of ours: its certificate, the name of its key, its CRL counters."""

    __tablename__ = "ca_issuer"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_name: Mapped[str] = mapped_column(String(60))
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    crl_number: Mapped[int] = mapped_column(BigInteger, default=0)
    # The thisUpdate that was taken with the number: no list may be signed for an earlier instant.
    crl_time: Mapped[datetime | None] = mapped_column(UtcDateTime)
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
        Index("ix_ca_certificate_spki_sha256", "spki_sha256"),
        # RFC 5280 knows no such rule, ours does: a key belongs to one PC, so it gets one certificate, ever.
        Index(
            "uq_ca_certificate_terminal_key",
            "spki_sha256",
            unique=True,
            sqlite_where=text("kind = 'terminal' AND state <> 'abandoned'"),
            postgresql_where=text("kind = 'terminal' AND state <> 'abandoned'"),
        ),
        # Our own are few among many, and looked for every few seconds.
        Index(
            "ix_ca_certificate_service",
            "subject",
            "id",
            sqlite_where=text("kind = 'service'"),
            postgresql_where=text("kind = 'service'"),
        ),
        # When an issuer's last certificate ends is asked by each look for lists that are due.
        Index("ix_ca_certificate_end", "issuer", "not_after"),
        # Of two ceremonies, or two nodes that renew, one makes the next certificate of a service.
        UniqueConstraint("subject", "follows"),
        Index(
            "ix_ca_certificate_partition",
            "partition",
            "not_after",
            sqlite_where=text("partition > 0"),
            postgresql_where=text("partition > 0"),
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
    # The partition of the CRL that its CDP names; 0 is the complete list.
    partition: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # The profile that it was made by (`ca.profile_history`).
    profile: Mapped[str | None] = mapped_column(String(16))
    # Of our own only: its key's name, and the row of the certificate that it follows, 0 for the first of its name.
    key_name: Mapped[str | None] = mapped_column(String(60))
    follows: Mapped[int | None] = mapped_column(BigInteger)
    # When it was revoked, held or abandoned; the time that CRL and OCSP name.
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(String(30))
    # RFC 5280 §5.3.2: since when it was not to be trusted, where that is known.
    invalid_since: Mapped[datetime | None] = mapped_column(UtcDateTime)


# What finds our own. The word stands in the statement: with a parameter in its place SQLite would not use the partial index.
IS_OURS = CertificateRow.kind == literal_column("'service'")


class BlockedKeyRow(Base):
    """A key that gets no certificate any more, by SHA-256 over its SubjectPublicKeyInfo."""

    __tablename__ = "ca_blocked_key"

    spki_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    blocked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CrlEntryRow(Base):
    """What the CRL says of one certificate, encoded when it was revoked: the lists are these entries, joined.

    A narrow table of its own, in the order of the lists, so that a million are read in a moment.
    """

    __tablename__ = "ca_crl_entry"
    __table_args__ = (
        Index("ix_ca_crl_entry_revision", "issuer", "revision"),
        Index("ix_ca_crl_entry_until", "issuer", "until"),
        {"sqlite_with_rowid": False},
    )

    issuer: Mapped[str] = mapped_column(String(40), primary_key=True)
    partition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    certificate_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # The issuer's revision that brought it; delta lists ask for those after their base's.
    revision: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    entry: Mapped[bytes] = mapped_column(LargeBinary)


class CrlRemovalRow(Base):
    """A hold that was lifted: delta lists say removeFromCRL of it (RFC 5280 §5.3.1)."""

    __tablename__ = "ca_crl_removal"
    __table_args__ = (Index("ix_ca_crl_removal_revision", "issuer", "revision"),)

    issuer: Mapped[str] = mapped_column(String(40), primary_key=True)
    partition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    certificate_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    entry: Mapped[bytes] = mapped_column(LargeBinary)


class CrlPartitionRow(Base):
    """A partition of an issuer's list; `revision` is the last one that changed it."""

    __tablename__ = "ca_crl_partition"

    issuer: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger, default=0)


class CrlRow(Base):
    """A CRL that was signed; of each list the highest number is the one in force. Its octets are the published file.

    `partition` 0 is the complete list; a delta has the number of its base, and shares its own with the list beside it.
    """

    __tablename__ = "ca_crl"

    issuer: Mapped[str] = mapped_column(String(40), primary_key=True)
    partition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    is_delta: Mapped[bool] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    base_number: Mapped[int | None] = mapped_column(BigInteger)
    revision: Mapped[int] = mapped_column(BigInteger)
    this_update: Mapped[datetime] = mapped_column(UtcDateTime)
    next_update: Mapped[datetime] = mapped_column(UtcDateTime)
    entries: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
