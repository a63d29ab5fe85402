"""The schema of 0.1.0: the tables of registry, part 1."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_attachment_file",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_registry_attachment_file")),
    )
    op.create_table(
        "registry_bulletin_notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("title_ja", sa.String(length=120), nullable=False),
        sa.Column("title_en", sa.String(length=120), nullable=False),
        sa.Column("body_ja", sa.Text(), nullable=False),
        sa.Column("body_en", sa.Text(), nullable=False),
        sa.Column("publish_from", sa.Date(), nullable=True),
        sa.Column("publish_until", sa.Date(), nullable=True),
        sa.Column("is_pinned", sa.Boolean(), nullable=False),
        sa.Column("is_urgent", sa.Boolean(), nullable=False),
        sa.Column("visible_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("visible_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("month", sa.String(length=7), nullable=True),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.Column("searchable_text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_bulletin_notice")),
        sa.UniqueConstraint("uid", name=op.f("uq_registry_bulletin_notice_uid")),
    )
    with op.batch_alter_table("registry_bulletin_notice", schema=None) as batch_op:
        batch_op.create_index("ix_registry_bulletin_notice_month", ["month"], unique=False)
        batch_op.create_index("ix_registry_bulletin_notice_visible", ["state", "visible_from"], unique=False)

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
        "registry_start_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=100), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_registry_start_day")),
    )
    op.create_table(
        "registry_bulletin_revision",
        sa.Column("notice_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("event", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["registry_bulletin_notice.id"], name=op.f("fk_registry_bulletin_revision_notice_id")
        ),
        sa.PrimaryKeyConstraint("notice_id", "version", name=op.f("pk_registry_bulletin_revision")),
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
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("version_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version_by", sa.String(length=100), nullable=False),
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
        sa.CheckConstraint("approved_by <> version_by AND version > 0", name="ck_registry_application_version"),
        sa.CheckConstraint("moved_by <> applied_by", name="ck_registry_application_mover"),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_application_office_code")),
        sa.PrimaryKeyConstraint("receipt_number", name=op.f("pk_registry_application")),
        sa.UniqueConstraint("draft_id", name=op.f("uq_registry_application_draft_id")),
    )
    with op.batch_alter_table("registry_application", schema=None) as batch_op:
        batch_op.create_index("ix_registry_application_age", ["applied_at", "receipt_number"], unique=False)
        batch_op.create_index("ix_registry_application_office", ["office_code", "applied_at"], unique=False)
        batch_op.create_index("ix_registry_application_queue", ["state", "applied_at", "receipt_number"], unique=False)

    op.create_table(
        "registry_bill",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column(
            "price_plan",
            sa.Enum("A", "B", name="ck_registry_bill_plan", native_enum=False, create_constraint=True, length=20),
            nullable=True,
        ),
        sa.Column("payer_company", sa.String(length=100), nullable=False),
        sa.Column("payer_office", sa.String(length=100), nullable=False),
        sa.Column("payer_name", sa.String(length=100), nullable=False),
        sa.Column("payer_postal_code", sa.String(length=7), nullable=False),
        sa.Column("payer_address", sa.String(length=200), nullable=False),
        sa.Column("payer_contact", sa.String(length=100), nullable=False),
        sa.Column("payer_billing_code", sa.String(length=7), nullable=False),
        sa.Column(
            "payer_payment_method",
            sa.Enum("debit", "transfer", name="ck_registry_bill_payment", native_enum=False, create_constraint=True, length=20),
            nullable=True,
        ),
        sa.Column("subtotal", sa.BigInteger(), nullable=False),
        sa.Column("tax_percent", sa.Integer(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_bill_office_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_bill")),
        sa.UniqueConstraint("office_code", "month", name="uq_registry_bill_month"),
    )
    op.create_table(
        "registry_billed_state",
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column(
            "price_plan",
            sa.Enum("A", "B", name="ck_registry_billed_state_plan", native_enum=False, create_constraint=True, length=20),
            nullable=True,
        ),
        sa.Column("statistics", sa.JSON(), nullable=False),
        sa.Column("storage", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_billed_state_office_code")),
        sa.PrimaryKeyConstraint("office_code", "from_day", name=op.f("pk_registry_billed_state")),
    )


def downgrade() -> None:
    op.drop_table("registry_billed_state")
    op.drop_table("registry_bill")
    with op.batch_alter_table("registry_application", schema=None) as batch_op:
        batch_op.drop_index("ix_registry_application_queue")
        batch_op.drop_index("ix_registry_application_office")
        batch_op.drop_index("ix_registry_application_age")

    op.drop_table("registry_application")
    with op.batch_alter_table("registry_office", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_office_company_abbreviation"))

    op.drop_table("registry_office")
    op.drop_table("registry_bulletin_revision")
    op.drop_table("registry_start_day")
    op.drop_table("registry_series")
    op.drop_table("registry_company")
    with op.batch_alter_table("registry_bulletin_notice", schema=None) as batch_op:
        batch_op.drop_index("ix_registry_bulletin_notice_visible")
        batch_op.drop_index("ix_registry_bulletin_notice_month")

    op.drop_table("registry_bulletin_notice")
    op.drop_table("registry_attachment_file")
