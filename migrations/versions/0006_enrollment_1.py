"""The schema of 0.1.0: the tables of enrollment, part 1."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
        batch_op.create_index(
            "ix_enrollment_code_set_frozen",
            ["prepared_at"],
            unique=False,
            sqlite_where=sa.text("state = 'frozen'"),
            postgresql_where=sa.text("state = 'frozen'"),
        )
        batch_op.create_index("ix_enrollment_code_set_office", ["office_code"], unique=False)
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
        "enrollment_diagnosis_case",
        sa.Column("number", sa.String(length=8), nullable=False),
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.String(length=100), nullable=False),
        sa.Column("can_log_on", sa.Boolean(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_enrollment_diagnosis_case")),
    )
    with op.batch_alter_table("enrollment_diagnosis_case", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrollment_diagnosis_case_opened_at"), ["opened_at"], unique=False)
        batch_op.create_index("ix_enrollment_diagnosis_case_terminal", ["terminal", "opened_at"], unique=False)

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
        "enrollment_logon_refusal",
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("code", sa.String(length=10), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("terminal", "code", name=op.f("pk_enrollment_logon_refusal")),
    )
    with op.batch_alter_table("enrollment_logon_refusal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrollment_logon_refusal_last_at"), ["last_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("enrollment_logon_refusal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrollment_logon_refusal_last_at"))

    op.drop_table("enrollment_logon_refusal")
    with op.batch_alter_table("enrollment_generation", schema=None) as batch_op:
        batch_op.drop_index("uq_enrollment_generation_open", sqlite_where=sa.text("is_open"), postgresql_where=sa.text("is_open"))

    op.drop_table("enrollment_generation")
    op.drop_table("enrollment_gateway_list")
    with op.batch_alter_table("enrollment_diagnosis_case", schema=None) as batch_op:
        batch_op.drop_index("ix_enrollment_diagnosis_case_terminal")
        batch_op.drop_index(batch_op.f("ix_enrollment_diagnosis_case_opened_at"))

    op.drop_table("enrollment_diagnosis_case")
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
        batch_op.drop_index("ix_enrollment_code_set_office")
        batch_op.drop_index(
            "ix_enrollment_code_set_frozen",
            sqlite_where=sa.text("state = 'frozen'"),
            postgresql_where=sa.text("state = 'frozen'"),
        )
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
