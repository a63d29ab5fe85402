"""The schema of 0.1.0: the tables of enrollment, part 2."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "enrollment_notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("company", sa.String(length=100), nullable=False),
        sa.Column("office", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("edition > 0", name="ck_enrollment_notice_edition"),
        sa.CheckConstraint("length(sha256) = 32", name="ck_enrollment_notice_sha256"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_notice")),
        sa.UniqueConstraint("receipt_number", "edition", name=op.f("uq_enrollment_notice_receipt_number_edition")),
        sa.UniqueConstraint("sha256", name=op.f("uq_enrollment_notice_sha256")),
    )
    op.create_table(
        "enrollment_reissue",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("terminal", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("remark", sa.String(length=500), nullable=False),
        sa.Column("answer", sa.String(length=500), nullable=True),
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
        sa.Column("interface", sa.String(length=10), nullable=False),
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
        sa.Column("interface", sa.String(length=10), nullable=False),
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


def downgrade() -> None:
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
    op.drop_table("enrollment_notice")
