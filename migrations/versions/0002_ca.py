"""The schema of 0.1.0: the tables of ca."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ca_blocked_key",
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("spki_sha256", name=op.f("pk_ca_blocked_key")),
    )
    op.create_table(
        "ca_certificate",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tbs", sa.LargeBinary(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("partition", sa.Integer(), server_default="0", nullable=False),
        sa.Column("profile", sa.String(length=16), nullable=True),
        sa.Column("key_name", sa.String(length=60), nullable=True),
        sa.Column("follows", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("invalid_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ca_certificate")),
        sa.UniqueConstraint("issuer", "serial", name=op.f("uq_ca_certificate_issuer_serial")),
        sa.UniqueConstraint("subject", "follows", name=op.f("uq_ca_certificate_subject_follows")),
    )
    with op.batch_alter_table("ca_certificate", schema=None) as batch_op:
        batch_op.create_index("ix_ca_certificate_end", ["issuer", "not_after"], unique=False)
        batch_op.create_index(
            "ix_ca_certificate_partition",
            ["partition", "not_after"],
            unique=False,
            sqlite_where=sa.text("partition > 0"),
            postgresql_where=sa.text("partition > 0"),
        )
        batch_op.create_index(
            "ix_ca_certificate_service",
            ["subject", "id"],
            unique=False,
            sqlite_where=sa.text("kind = 'service'"),
            postgresql_where=sa.text("kind = 'service'"),
        )
        batch_op.create_index("ix_ca_certificate_spki_sha256", ["spki_sha256"], unique=False)
        batch_op.create_index("ix_ca_certificate_subject", ["subject"], unique=False)
        batch_op.create_index(
            "uq_ca_certificate_terminal_key",
            ["spki_sha256"],
            unique=True,
            sqlite_where=sa.text("kind = 'terminal' AND state <> 'abandoned'"),
            postgresql_where=sa.text("kind = 'terminal' AND state <> 'abandoned'"),
        )

    op.create_table(
        "ca_crl",
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_delta", sa.Boolean(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("base_number", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("this_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "partition", "is_delta", "number", name=op.f("pk_ca_crl")),
    )
    op.create_table(
        "ca_crl_block",
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "partition", "block", name=op.f("pk_ca_crl_block")),
    )
    op.create_table(
        "ca_crl_entry",
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("certificate_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "partition", "certificate_id", name=op.f("pk_ca_crl_entry")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("ca_crl_entry", schema=None) as batch_op:
        batch_op.create_index("ix_ca_crl_entry_revision", ["issuer", "revision"], unique=False)
        batch_op.create_index("ix_ca_crl_entry_until", ["issuer", "until"], unique=False)

    op.create_table(
        "ca_crl_partition",
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "number", name=op.f("pk_ca_crl_partition")),
    )
    op.create_table(
        "ca_crl_removal",
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("certificate_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "partition", "certificate_id", name=op.f("pk_ca_crl_removal")),
    )
    with op.batch_alter_table("ca_crl_removal", schema=None) as batch_op:
        batch_op.create_index("ix_ca_crl_removal_revision", ["issuer", "revision"], unique=False)

    op.create_table(
        "ca_issuer",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("key_name", sa.String(length=60), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("crl_number", sa.BigInteger(), nullable=False),
        sa.Column("crl_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ca_issuer")),
    )
    op.create_table(
        "ca_issuer_terms",
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("issues_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("crl_period", sa.Integer(), nullable=False),
        sa.Column("crl_lifetime", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", name=op.f("pk_ca_issuer_terms")),
    )
    op.create_table(
        "ca_profile",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ca_profile")),
    )


def downgrade() -> None:
    op.drop_table("ca_profile")
    op.drop_table("ca_issuer_terms")
    op.drop_table("ca_issuer")
    with op.batch_alter_table("ca_crl_removal", schema=None) as batch_op:
        batch_op.drop_index("ix_ca_crl_removal_revision")

    op.drop_table("ca_crl_removal")
    op.drop_table("ca_crl_partition")
    with op.batch_alter_table("ca_crl_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_ca_crl_entry_until")
        batch_op.drop_index("ix_ca_crl_entry_revision")

    op.drop_table("ca_crl_entry")
    op.drop_table("ca_crl_block")
    op.drop_table("ca_crl")
    with op.batch_alter_table("ca_certificate", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_ca_certificate_terminal_key",
            sqlite_where=sa.text("kind = 'terminal' AND state <> 'abandoned'"),
            postgresql_where=sa.text("kind = 'terminal' AND state <> 'abandoned'"),
        )
        batch_op.drop_index("ix_ca_certificate_subject")
        batch_op.drop_index("ix_ca_certificate_spki_sha256")
        batch_op.drop_index(
            "ix_ca_certificate_service", sqlite_where=sa.text("kind = 'service'"), postgresql_where=sa.text("kind = 'service'")
        )
        batch_op.drop_index(
            "ix_ca_certificate_partition", sqlite_where=sa.text("partition > 0"), postgresql_where=sa.text("partition > 0")
        )
        batch_op.drop_index("ix_ca_certificate_end")

    op.drop_table("ca_certificate")
    op.drop_table("ca_blocked_key")
