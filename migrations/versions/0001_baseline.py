"""The schema of 0.1.0: every room's tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
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
    op.create_table(
        "enrollment_batch",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("uploader", sa.String(length=100), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmer", sa.String(length=100), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.String(length=45), nullable=True),
        sa.CheckConstraint("state <> 'confirmed' OR confirmed_at IS NOT NULL", name="ck_enrollment_batch_state"),
        sa.CheckConstraint("(confirmed_at IS NULL) = (confirmer IS NULL)", name="ck_enrollment_batch_confirmed"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_batch")),
    )
    with op.batch_alter_table("enrollment_batch", schema=None) as batch_op:
        batch_op.create_index("ix_enrollment_batch_office", ["office_code", "uploaded_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_enrollment_batch_uploaded_at"), ["uploaded_at"], unique=False)

    op.create_table(
        "enrollment_cmp_transaction",
        sa.Column("id", sa.LargeBinary(length=64), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=16), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("is_confirmed", sa.Boolean(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issuer", sa.String(length=40), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_cmp_transaction")),
    )
    with op.batch_alter_table("enrollment_cmp_transaction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrollment_cmp_transaction_begun_at"), ["begun_at"], unique=False)

    op.create_table(
        "enrollment_code_disclosure",
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("disclosure", sa.String(length=10), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("office_code", name=op.f("pk_enrollment_code_disclosure")),
    )
    op.create_table(
        "enrollment_code_set",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("receipt_number", sa.String(length=7), nullable=True),
        sa.Column("approver", sa.String(length=100), nullable=False),
        sa.Column("preparer", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("access_key_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("codes_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("prepared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("issuer", sa.String(length=40), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state IN ('claimed', 'redeemed')) = (serial IS NOT NULL)", name="ck_enrollment_code_set_claim"),
        sa.CheckConstraint("(serial IS NULL) = (claimed_key IS NULL)", name="ck_enrollment_code_set_key"),
        sa.CheckConstraint("approver <> preparer", name="ck_enrollment_code_set_four_eyes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_code_set")),
        sa.UniqueConstraint("access_key_digest", name=op.f("uq_enrollment_code_set_access_key_digest")),
    )
    with op.batch_alter_table("enrollment_code_set", schema=None) as batch_op:
        batch_op.create_index(
            "ix_enrollment_code_set_end",
            ["expires_on"],
            unique=False,
            sqlite_where=sa.text("state IN ('prepared', 'claimed', 'frozen', 'expired')"),
            postgresql_where=sa.text("state IN ('prepared', 'claimed', 'frozen', 'expired')"),
        )
        batch_op.create_index("ix_enrollment_code_set_receipt", ["receipt_number"], unique=False)
        batch_op.create_index("ix_enrollment_code_set_terminal", ["terminal"], unique=False)
        batch_op.create_index("uq_enrollment_code_set_certificate", ["issuer", "serial"], unique=True)
        batch_op.create_index(
            "uq_enrollment_code_set_open",
            ["terminal"],
            unique=True,
            sqlite_where=sa.text("state IN ('prepared', 'claimed', 'frozen')"),
            postgresql_where=sa.text("state IN ('prepared', 'claimed', 'frozen')"),
        )

    op.create_table(
        "enrollment_credential",
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("access_key_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("terminal", name=op.f("pk_enrollment_credential")),
    )
    with op.batch_alter_table("enrollment_credential", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrollment_credential_last_day"), ["last_day"], unique=False)
        batch_op.create_index(batch_op.f("ix_enrollment_credential_office_code"), ["office_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_enrollment_credential_since"), ["since"], unique=False)

    op.create_table(
        "enrollment_deadline",
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("days", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("terminal", "kind", "last_day", "days", name=op.f("pk_enrollment_deadline")),
    )
    op.create_table(
        "enrollment_gateway_list",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_gateway_list")),
    )
    op.create_table(
        "enrollment_generation",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("hourly_capacity", sa.Integer(), nullable=False),
        sa.Column("planner", sa.String(length=100), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approver", sa.String(length=100), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("approver <> planner", name="ck_enrollment_generation_four_eyes"),
        sa.CheckConstraint("hourly_capacity > 0", name="ck_enrollment_generation_capacity"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_enrollment_generation")),
        sa.UniqueConstraint("name", name=op.f("uq_enrollment_generation_name")),
    )
    with op.batch_alter_table("enrollment_generation", schema=None) as batch_op:
        batch_op.create_index(
            "uq_enrollment_generation_open",
            ["is_open"],
            unique=True,
            sqlite_where=sa.text("is_open"),
            postgresql_where=sa.text("is_open"),
        )

    op.create_table(
        "enrollment_reissue",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("remark", sa.String(length=500), nullable=False),
        sa.Column("requester", sa.String(length=100), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepter", sa.String(length=100), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_on", sa.Date(), nullable=True),
        sa.Column("preparer", sa.String(length=100), nullable=True),
        sa.Column("prepared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("accepter <> preparer", name="ck_enrollment_reissue_four_eyes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_reissue")),
    )
    with op.batch_alter_table("enrollment_reissue", schema=None) as batch_op:
        batch_op.create_index("ix_enrollment_reissue_end", ["ends_on"], unique=False)
        batch_op.create_index(batch_op.f("ix_enrollment_reissue_office_code"), ["office_code"], unique=False)
        batch_op.create_index("ix_enrollment_reissue_state", ["state", "ready_on"], unique=False)
        batch_op.create_index(batch_op.f("ix_enrollment_reissue_terminal"), ["terminal"], unique=False)
        batch_op.create_index(
            "uq_enrollment_reissue_open",
            ["terminal"],
            unique=True,
            sqlite_where=sa.text("state IN ('requested', 'accepted', 'prepared')"),
            postgresql_where=sa.text("state IN ('requested', 'accepted', 'prepared')"),
        )

    op.create_table(
        "enrollment_renewal",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("predecessor_issuer", sa.String(length=40), nullable=False),
        sa.Column("predecessor", sa.String(length=40), nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("awaits_confirmation", sa.Boolean(), nullable=False),
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_renewal")),
    )
    with op.batch_alter_table("enrollment_renewal", schema=None) as batch_op:
        batch_op.create_index("ix_enrollment_renewal_state", ["state", "begun_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_enrollment_renewal_terminal"), ["terminal"], unique=False)
        batch_op.create_index("uq_enrollment_renewal_certificate", ["issuer", "serial"], unique=True)
        batch_op.create_index(
            "uq_enrollment_renewal_open",
            ["terminal"],
            unique=True,
            sqlite_where=sa.text("state IN ('claimed', 'awaiting', 'issued')"),
            postgresql_where=sa.text("state IN ('claimed', 'awaiting', 'issued')"),
        )

    op.create_table(
        "enrollment_retrieval_receipt",
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("issuer", "serial", name=op.f("pk_enrollment_retrieval_receipt")),
    )
    with op.batch_alter_table("enrollment_retrieval_receipt", schema=None) as batch_op:
        batch_op.create_index(
            "ix_enrollment_retrieval_receipt_owed",
            ["at"],
            unique=False,
            sqlite_where=sa.text("receipt IS NULL"),
            postgresql_where=sa.text("receipt IS NULL"),
        )
        batch_op.create_index("ix_enrollment_retrieval_receipt_terminal", ["terminal", "at"], unique=False)

    op.create_table(
        "kernel_audit_checkpoint",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log", "size", name=op.f("pk_kernel_audit_checkpoint")),
    )
    op.create_table(
        "kernel_audit_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_audit_entry")),
        sa.UniqueConstraint("leaf_index", name=op.f("uq_kernel_audit_entry_leaf_index")),
    )
    with op.batch_alter_table("kernel_audit_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_audit_entry_action"), ["action"], unique=False)
        batch_op.create_index(batch_op.f("ix_kernel_audit_entry_office_code"), ["office_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_kernel_audit_entry_subject"), ["subject"], unique=False)

    op.create_table(
        "kernel_audit_log",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept", sa.BigInteger(), nullable=True),
        sa.Column("statement", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_kernel_audit_log")),
        sa.UniqueConstraint("origin", name=op.f("uq_kernel_audit_log_origin")),
    )
    op.create_table(
        "kernel_audit_tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(length=8192), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_kernel_audit_tile")),
    )
    op.create_table(
        "kernel_audit_tree",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("edge", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_audit_tree")),
    )
    op.create_table(
        "kernel_mail",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=True),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attachment_name", sa.String(length=100), nullable=True),
        sa.Column("attachment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_mail")),
        sa.UniqueConstraint("message_id", name=op.f("uq_kernel_mail_message_id")),
    )
    with op.batch_alter_table("kernel_mail", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_mail_next_try_at"), ["next_try_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_kernel_mail_office_code"), ["office_code"], unique=False)

    op.create_table(
        "kernel_throttle",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locks", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_kernel_throttle")),
    )
    op.create_table(
        "registry_company",
        sa.Column("abbreviation", sa.String(length=3), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("latin_name", sa.String(length=64), nullable=True),
        sa.Column("postal_code", sa.String(length=7), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=11), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(abbreviation) = 3 AND ltrim(substr(abbreviation, 1, 3), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') = '' AND ltrim(substr(abbreviation, 4, 0), '0123456789') = ''",
            name="ck_registry_company_abbreviation",
        ),
        sa.CheckConstraint("length(coalesce(latin_name, name)) BETWEEN 1 AND 64", name="ck_registry_company_organization"),
        sa.PrimaryKeyConstraint("abbreviation", name=op.f("pk_registry_company")),
    )
    op.create_table(
        "registry_series",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_registry_series")),
    )
    op.create_table(
        "server_job_lease",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("fence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_server_job_lease")),
    )
    op.create_table(
        "webui_account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("door", sa.String(length=10), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("login", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("mail", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webui_account")),
        sa.UniqueConstraint("door", "office_code", "login", name="webui_account_name"),
    )
    op.create_table(
        "webui_session",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("door", sa.String(length=10), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_webui_session")),
    )
    with op.batch_alter_table("webui_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_session_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webui_session_created_at"), ["created_at"], unique=False)

    op.create_table(
        "enrollment_batch_item",
        sa.Column("batch", sa.String(length=32), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file_name", sa.String(length=100), nullable=False),
        sa.Column("terminal", sa.String(length=6), nullable=True),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("code_set", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.Column("issuer", sa.String(length=40), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'done') = (serial IS NOT NULL)", name="ck_enrollment_batch_item_done"),
        sa.CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="ck_enrollment_batch_item_refused"),
        sa.ForeignKeyConstraint(
            ["batch"], ["enrollment_batch.id"], name=op.f("fk_enrollment_batch_item_batch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch", "place", name=op.f("pk_enrollment_batch_item")),
    )
    with op.batch_alter_table("enrollment_batch_item", schema=None) as batch_op:
        batch_op.create_index(
            "ix_enrollment_batch_item_waiting",
            ["next_try_at"],
            unique=False,
            sqlite_where=sa.text("state = 'confirmed'"),
            postgresql_where=sa.text("state = 'confirmed'"),
        )

    op.create_table(
        "enrollment_code_freeze",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code_set_id", sa.String(length=32), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("frozen_by", sa.String(length=100), nullable=False),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consent_by", sa.String(length=100), nullable=True),
        sa.Column("release_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release_by", sa.String(length=100), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["code_set_id"], ["enrollment_code_set.id"], name=op.f("fk_enrollment_code_freeze_code_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_code_freeze")),
    )
    with op.batch_alter_table("enrollment_code_freeze", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrollment_code_freeze_code_set_id"), ["code_set_id"], unique=False)

    op.create_table(
        "enrollment_code_showing",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code_set_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("viewer", sa.String(length=100), nullable=False),
        sa.Column("part", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["code_set_id"], ["enrollment_code_set.id"], name=op.f("fk_enrollment_code_showing_code_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_code_showing")),
    )
    with op.batch_alter_table("enrollment_code_showing", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrollment_code_showing_code_set_id"), ["code_set_id"], unique=False)

    op.create_table(
        "enrollment_generation_member",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("wave", sa.Integer(), nullable=True),
        sa.Column("prepared_on", sa.Date(), nullable=True),
        sa.Column("code_set", sa.String(length=32), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("retrieved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation"], ["enrollment_generation.number"], name=op.f("fk_enrollment_generation_member_generation")
        ),
        sa.PrimaryKeyConstraint("generation", "terminal", name=op.f("pk_enrollment_generation_member")),
    )
    with op.batch_alter_table("enrollment_generation_member", schema=None) as batch_op:
        batch_op.create_index("ix_enrollment_generation_member_day", ["generation", "prepared_on", "wave"], unique=False)
        batch_op.create_index("ix_enrollment_generation_member_office", ["generation", "office_code", "state"], unique=False)
        batch_op.create_index(
            "ix_enrollment_generation_member_state", ["generation", "state", "office_code", "terminal"], unique=False
        )

    op.create_table(
        "enrollment_generation_reminder",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation"], ["enrollment_generation.number"], name=op.f("fk_enrollment_generation_reminder_generation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_generation_reminder")),
    )
    with op.batch_alter_table("enrollment_generation_reminder", schema=None) as batch_op:
        batch_op.create_index("uq_enrollment_generation_reminder", ["generation", "office_code", "days"], unique=True)

    op.create_table(
        "enrollment_generation_wave",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("daily_quota", sa.Integer(), nullable=False),
        sa.Column("offices", sa.Text(), nullable=False),
        sa.CheckConstraint("daily_quota > 0", name="ck_enrollment_generation_wave_quota"),
        sa.ForeignKeyConstraint(
            ["generation"], ["enrollment_generation.number"], name=op.f("fk_enrollment_generation_wave_generation")
        ),
        sa.PrimaryKeyConstraint("generation", "number", name=op.f("pk_enrollment_generation_wave")),
    )
    op.create_table(
        "registry_office",
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("company_abbreviation", sa.String(length=3), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("postal_code", sa.String(length=7), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=11), nullable=False),
        sa.Column("fax", sa.String(length=11), nullable=False),
        sa.Column("customs_office", sa.String(length=40), nullable=False),
        sa.Column("billing_code", sa.String(length=7), nullable=False),
        sa.Column("administrator_family_name", sa.String(length=40), nullable=False),
        sa.Column("administrator_given_name", sa.String(length=40), nullable=False),
        sa.Column("administrator_family_kana", sa.String(length=40), nullable=False),
        sa.Column("administrator_given_kana", sa.String(length=40), nullable=False),
        sa.Column("administrator_department", sa.String(length=60), nullable=False),
        sa.Column("administrator_title", sa.String(length=40), nullable=False),
        sa.Column("administrator_phone", sa.String(length=11), nullable=False),
        sa.Column("administrator_fax", sa.String(length=11), nullable=False),
        sa.Column("administrator_mail", sa.String(length=254), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(billing_code) = 7 AND ltrim(billing_code, '0123456789') = ''", name="ck_registry_office_billing_code"
        ),
        sa.CheckConstraint(
            "length(code) = 6 AND ltrim(substr(code, 1, 3), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') = '' AND ltrim(substr(code, 4, 3), '0123456789') = ''",
            name="ck_registry_office_code",
        ),
        sa.CheckConstraint("substr(code, 1, 3) = company_abbreviation", name="ck_registry_office_company"),
        sa.ForeignKeyConstraint(
            ["company_abbreviation"], ["registry_company.abbreviation"], name=op.f("fk_registry_office_company_abbreviation")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_registry_office")),
    )
    with op.batch_alter_table("registry_office", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_office_company_abbreviation"), ["company_abbreviation"], unique=False)

    op.create_table(
        "registry_application",
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column("draft_id", sa.String(length=32), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "applied",
                "queried",
                "approved",
                "prepared",
                "completed",
                "rejected",
                "withdrawn",
                "void",
                "cancelled",
                name="ck_registry_application_state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_by", sa.String(length=100), nullable=False),
        sa.Column("wished_start", sa.Date(), nullable=False),
        sa.Column("remarks", sa.Text(), nullable=False),
        sa.Column("applicant_family_name", sa.String(length=40), nullable=False),
        sa.Column("applicant_given_name", sa.String(length=40), nullable=False),
        sa.Column("applicant_family_kana", sa.String(length=40), nullable=False),
        sa.Column("applicant_given_kana", sa.String(length=40), nullable=False),
        sa.Column("applicant_department", sa.String(length=60), nullable=False),
        sa.Column("applicant_title", sa.String(length=40), nullable=False),
        sa.Column("applicant_phone", sa.String(length=11), nullable=False),
        sa.Column("applicant_fax", sa.String(length=11), nullable=False),
        sa.Column("applicant_mail", sa.String(length=254), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.String(length=100), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("moved_by", sa.String(length=100), nullable=True),
        sa.Column("settings_deadline", sa.Date(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "length(receipt_number) = 7 AND ltrim(substr(receipt_number, 1, 6), '0123456789') = '' AND ltrim(substr(receipt_number, 7, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') = ''",
            name="ck_registry_application_receipt_number",
        ),
        sa.CheckConstraint("(approved_by IS NULL) = (start_date IS NULL)", name="ck_registry_application_start_date"),
        sa.CheckConstraint("approved_by <> applied_by", name="ck_registry_application_approver"),
        sa.CheckConstraint("moved_by <> applied_by", name="ck_registry_application_mover"),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_application_office_code")),
        sa.PrimaryKeyConstraint("receipt_number", name=op.f("pk_registry_application")),
        sa.UniqueConstraint("draft_id", name=op.f("uq_registry_application_draft_id")),
    )
    with op.batch_alter_table("registry_application", schema=None) as batch_op:
        batch_op.create_index("ix_registry_application_office", ["office_code", "applied_at"], unique=False)
        batch_op.create_index("ix_registry_application_queue", ["state", "applied_at"], unique=False)

    op.create_table(
        "registry_contract",
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("contractor_name", sa.String(length=80), nullable=False),
        sa.Column("contractor_title", sa.String(length=40), nullable=False),
        sa.Column(
            "price_plan",
            sa.Enum("A", "B", name="ck_registry_contract_price_plan", native_enum=False, create_constraint=True, length=20),
            nullable=True,
        ),
        sa.Column(
            "payment_method",
            sa.Enum(
                "debit",
                "transfer",
                name="ck_registry_contract_payment_method",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=True,
        ),
        sa.Column("billing_name", sa.String(length=100), nullable=False),
        sa.Column("billing_postal_code", sa.String(length=7), nullable=False),
        sa.Column("billing_address", sa.String(length=200), nullable=False),
        sa.Column("billing_contact", sa.String(length=100), nullable=False),
        sa.Column("billing_phone", sa.String(length=11), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_contract_office_code")),
        sa.PrimaryKeyConstraint("office_code", name=op.f("pk_registry_contract")),
    )
    op.create_table(
        "registry_draft",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("login", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_draft_office_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_draft")),
        sa.UniqueConstraint("office_code", "login", "kind", name="uq_registry_draft_owner"),
    )
    op.create_table(
        "registry_news",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("receipt_number", sa.String(length=7), nullable=True),
        sa.Column("target", sa.String(length=60), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_news_office_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_news")),
    )
    with op.batch_alter_table("registry_news", schema=None) as batch_op:
        batch_op.create_index("ix_registry_news_office", ["office_code", "id"], unique=False)

    op.create_table(
        "registry_user_code",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column(
            "system_class",
            sa.Enum(
                "sea",
                "air",
                "shared",
                name="ck_registry_user_code_system_class",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.Column("processing", sa.String(length=40), nullable=False),
        sa.Column("user_code", sa.String(length=8), nullable=False),
        sa.Column("id_number", sa.String(length=3), nullable=False),
        sa.Column("paid_statistics", sa.Boolean(), nullable=False),
        sa.Column("free_statistics", sa.Boolean(), nullable=False),
        sa.Column("storage", sa.Boolean(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "length(id_number) = 3 AND ltrim(id_number, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789') = ''",
            name="ck_registry_user_code_id_number",
        ),
        sa.CheckConstraint(
            "length(user_code) BETWEEN 5 AND 8 AND ltrim(user_code, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789') = ''",
            name="ck_registry_user_code_code",
        ),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_user_code_office_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_user_code")),
        sa.UniqueConstraint("user_code", "id_number", name="uq_registry_user_code"),
    )
    with op.batch_alter_table("registry_user_code", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_user_code_office_code"), ["office_code"], unique=False)

    op.create_table(
        "registry_application_addition",
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column(
            "device_class",
            sa.Enum(
                "net",
                "web",
                "ebms",
                name="ck_registry_application_addition_device_class",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column(
            "system_class",
            sa.Enum(
                "sea",
                "air",
                "shared",
                name="ck_registry_application_addition_system_class",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.CheckConstraint("count > 0", name="ck_registry_application_addition_count"),
        sa.ForeignKeyConstraint(
            ["receipt_number"],
            ["registry_application.receipt_number"],
            name=op.f("fk_registry_application_addition_receipt_number"),
        ),
        sa.PrimaryKeyConstraint("receipt_number", "device_class", "system_class", name=op.f("pk_registry_application_addition")),
    )
    op.create_table(
        "registry_application_item",
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column("item", sa.String(length=30), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("executed_by", sa.String(length=100), nullable=True),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.CheckConstraint("(executed_at IS NULL) = (executed_by IS NULL)", name="ck_registry_application_item_executed"),
        sa.ForeignKeyConstraint(
            ["receipt_number"], ["registry_application.receipt_number"], name=op.f("fk_registry_application_item_receipt_number")
        ),
        sa.PrimaryKeyConstraint("receipt_number", "item", name=op.f("pk_registry_application_item")),
    )
    op.create_table(
        "registry_application_query",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(
            ["receipt_number"], ["registry_application.receipt_number"], name=op.f("fk_registry_application_query_receipt_number")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_application_query")),
    )
    with op.batch_alter_table("registry_application_query", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_application_query_receipt_number"), ["receipt_number"], unique=False)

    op.create_table(
        "registry_terminal",
        sa.Column("name", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column(
            "system_class",
            sa.Enum(
                "sea",
                "air",
                "shared",
                name="ck_registry_terminal_system_class",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column(
            "device_class",
            sa.Enum(
                "net",
                "web",
                "ebms",
                name="ck_registry_terminal_device_class",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("package_class", sa.String(length=10), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "in_service",
                "suspended",
                "abolished",
                name="ck_registry_terminal_state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column(
            "suspended_from",
            sa.Enum(
                "pending",
                "in_service",
                "suspended",
                "abolished",
                name="ck_registry_terminal_suspended_from_state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=True,
        ),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspension_rule", sa.Integer(), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("receipt_number", sa.String(length=7), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("abolished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'abolished') = (abolished_at IS NOT NULL)", name="ck_registry_terminal_abolished_at"),
        sa.CheckConstraint("(state = 'suspended') = (suspended_at IS NOT NULL)", name="ck_registry_terminal_suspended_at"),
        sa.CheckConstraint(
            "(state = 'suspended') = (suspended_from IS NOT NULL) AND coalesce(suspended_from, 'pending') IN ('pending', 'in_service')",
            name="ck_registry_terminal_suspended_from",
        ),
        sa.CheckConstraint(
            "length(name) = 6 AND ltrim(substr(name, 1, 5), '0123456789') = '' AND ltrim(substr(name, 6, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') = ''",
            name="ck_registry_terminal_name",
        ),
        sa.CheckConstraint(
            "suspension_rule IS NULL OR (state = 'suspended' AND suspension_rule BETWEEN 1 AND 3)",
            name="ck_registry_terminal_rule",
        ),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_terminal_office_code")),
        sa.ForeignKeyConstraint(
            ["receipt_number"], ["registry_application.receipt_number"], name=op.f("fk_registry_terminal_receipt_number")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_registry_terminal")),
    )
    with op.batch_alter_table("registry_terminal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_terminal_changed_at"), ["changed_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_registry_terminal_office_code"), ["office_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_registry_terminal_receipt_number"), ["receipt_number"], unique=False)

    op.create_table(
        "registry_terminal_change",
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column("terminal_name", sa.String(length=6), nullable=False),
        sa.Column(
            "before",
            sa.Enum(
                "sea",
                "air",
                "shared",
                name="ck_registry_terminal_change_before",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column(
            "after",
            sa.Enum(
                "sea",
                "air",
                "shared",
                name="ck_registry_terminal_change_after",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=True,
        ),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("NOT (is_open AND executed_at IS NOT NULL)", name="ck_registry_terminal_change_open"),
        sa.CheckConstraint("after <> before", name="ck_registry_terminal_change_changes"),
        sa.ForeignKeyConstraint(
            ["receipt_number"], ["registry_application.receipt_number"], name=op.f("fk_registry_terminal_change_receipt_number")
        ),
        sa.ForeignKeyConstraint(
            ["terminal_name"], ["registry_terminal.name"], name=op.f("fk_registry_terminal_change_terminal_name")
        ),
        sa.PrimaryKeyConstraint("receipt_number", "terminal_name", name=op.f("pk_registry_terminal_change")),
    )
    with op.batch_alter_table("registry_terminal_change", schema=None) as batch_op:
        batch_op.create_index(
            "uq_registry_terminal_change_open",
            ["terminal_name"],
            unique=True,
            sqlite_where=sa.text("is_open"),
            postgresql_where=sa.text("is_open"),
        )


def downgrade() -> None:
    with op.batch_alter_table("registry_terminal_change", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_registry_terminal_change_open", sqlite_where=sa.text("is_open"), postgresql_where=sa.text("is_open")
        )

    op.drop_table("registry_terminal_change")
    with op.batch_alter_table("registry_terminal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_terminal_receipt_number"))
        batch_op.drop_index(batch_op.f("ix_registry_terminal_office_code"))
        batch_op.drop_index(batch_op.f("ix_registry_terminal_changed_at"))

    op.drop_table("registry_terminal")
    with op.batch_alter_table("registry_application_query", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_application_query_receipt_number"))

    op.drop_table("registry_application_query")
    op.drop_table("registry_application_item")
    op.drop_table("registry_application_addition")
    with op.batch_alter_table("registry_user_code", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_user_code_office_code"))

    op.drop_table("registry_user_code")
    with op.batch_alter_table("registry_news", schema=None) as batch_op:
        batch_op.drop_index("ix_registry_news_office")

    op.drop_table("registry_news")
    op.drop_table("registry_draft")
    op.drop_table("registry_contract")
    with op.batch_alter_table("registry_application", schema=None) as batch_op:
        batch_op.drop_index("ix_registry_application_queue")
        batch_op.drop_index("ix_registry_application_office")

    op.drop_table("registry_application")
    with op.batch_alter_table("registry_office", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_office_company_abbreviation"))

    op.drop_table("registry_office")
    op.drop_table("enrollment_generation_wave")
    with op.batch_alter_table("enrollment_generation_reminder", schema=None) as batch_op:
        batch_op.drop_index("uq_enrollment_generation_reminder")

    op.drop_table("enrollment_generation_reminder")
    with op.batch_alter_table("enrollment_generation_member", schema=None) as batch_op:
        batch_op.drop_index("ix_enrollment_generation_member_state")
        batch_op.drop_index("ix_enrollment_generation_member_office")
        batch_op.drop_index("ix_enrollment_generation_member_day")

    op.drop_table("enrollment_generation_member")
    with op.batch_alter_table("enrollment_code_showing", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrollment_code_showing_code_set_id"))

    op.drop_table("enrollment_code_showing")
    with op.batch_alter_table("enrollment_code_freeze", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrollment_code_freeze_code_set_id"))

    op.drop_table("enrollment_code_freeze")
    with op.batch_alter_table("enrollment_batch_item", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_enrollment_batch_item_waiting",
            sqlite_where=sa.text("state = 'confirmed'"),
            postgresql_where=sa.text("state = 'confirmed'"),
        )

    op.drop_table("enrollment_batch_item")
    with op.batch_alter_table("webui_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_session_created_at"))
        batch_op.drop_index(batch_op.f("ix_webui_session_account_id"))

    op.drop_table("webui_session")
    op.drop_table("webui_account")
    op.drop_table("server_job_lease")
    op.drop_table("registry_series")
    op.drop_table("registry_company")
    op.drop_table("kernel_throttle")
    with op.batch_alter_table("kernel_mail", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_mail_office_code"))
        batch_op.drop_index(batch_op.f("ix_kernel_mail_next_try_at"))

    op.drop_table("kernel_mail")
    op.drop_table("kernel_audit_tree")
    op.drop_table("kernel_audit_tile")
    op.drop_table("kernel_audit_log")
    with op.batch_alter_table("kernel_audit_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_audit_entry_subject"))
        batch_op.drop_index(batch_op.f("ix_kernel_audit_entry_office_code"))
        batch_op.drop_index(batch_op.f("ix_kernel_audit_entry_action"))

    op.drop_table("kernel_audit_entry")
    op.drop_table("kernel_audit_checkpoint")
    with op.batch_alter_table("enrollment_retrieval_receipt", schema=None) as batch_op:
        batch_op.drop_index("ix_enrollment_retrieval_receipt_terminal")
        batch_op.drop_index(
            "ix_enrollment_retrieval_receipt_owed",
            sqlite_where=sa.text("receipt IS NULL"),
            postgresql_where=sa.text("receipt IS NULL"),
        )

    op.drop_table("enrollment_retrieval_receipt")
    with op.batch_alter_table("enrollment_renewal", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_enrollment_renewal_open",
            sqlite_where=sa.text("state IN ('claimed', 'awaiting', 'issued')"),
            postgresql_where=sa.text("state IN ('claimed', 'awaiting', 'issued')"),
        )
        batch_op.drop_index("uq_enrollment_renewal_certificate")
        batch_op.drop_index(batch_op.f("ix_enrollment_renewal_terminal"))
        batch_op.drop_index("ix_enrollment_renewal_state")

    op.drop_table("enrollment_renewal")
    with op.batch_alter_table("enrollment_reissue", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_enrollment_reissue_open",
            sqlite_where=sa.text("state IN ('requested', 'accepted', 'prepared')"),
            postgresql_where=sa.text("state IN ('requested', 'accepted', 'prepared')"),
        )
        batch_op.drop_index(batch_op.f("ix_enrollment_reissue_terminal"))
        batch_op.drop_index("ix_enrollment_reissue_state")
        batch_op.drop_index(batch_op.f("ix_enrollment_reissue_office_code"))
        batch_op.drop_index("ix_enrollment_reissue_end")

    op.drop_table("enrollment_reissue")
    with op.batch_alter_table("enrollment_generation", schema=None) as batch_op:
        batch_op.drop_index("uq_enrollment_generation_open", sqlite_where=sa.text("is_open"), postgresql_where=sa.text("is_open"))

    op.drop_table("enrollment_generation")
    op.drop_table("enrollment_gateway_list")
    op.drop_table("enrollment_deadline")
    with op.batch_alter_table("enrollment_credential", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrollment_credential_since"))
        batch_op.drop_index(batch_op.f("ix_enrollment_credential_office_code"))
        batch_op.drop_index(batch_op.f("ix_enrollment_credential_last_day"))

    op.drop_table("enrollment_credential")
    with op.batch_alter_table("enrollment_code_set", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_enrollment_code_set_open",
            sqlite_where=sa.text("state IN ('prepared', 'claimed', 'frozen')"),
            postgresql_where=sa.text("state IN ('prepared', 'claimed', 'frozen')"),
        )
        batch_op.drop_index("uq_enrollment_code_set_certificate")
        batch_op.drop_index("ix_enrollment_code_set_terminal")
        batch_op.drop_index("ix_enrollment_code_set_receipt")
        batch_op.drop_index(
            "ix_enrollment_code_set_end",
            sqlite_where=sa.text("state IN ('prepared', 'claimed', 'frozen', 'expired')"),
            postgresql_where=sa.text("state IN ('prepared', 'claimed', 'frozen', 'expired')"),
        )

    op.drop_table("enrollment_code_set")
    op.drop_table("enrollment_code_disclosure")
    with op.batch_alter_table("enrollment_cmp_transaction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrollment_cmp_transaction_begun_at"))

    op.drop_table("enrollment_cmp_transaction")
    with op.batch_alter_table("enrollment_batch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrollment_batch_uploaded_at"))
        batch_op.drop_index("ix_enrollment_batch_office")

    op.drop_table("enrollment_batch")
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

    op.drop_table("ca_certificate")
    op.drop_table("ca_blocked_key")
