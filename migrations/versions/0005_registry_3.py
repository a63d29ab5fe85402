"""The schema of 0.1.0: the tables of registry, part 3."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_application_parties",
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column("company", sa.String(length=100), nullable=False),
        sa.Column("company_abbreviation", sa.String(length=3), nullable=False),
        sa.Column("office", sa.String(length=100), nullable=False),
        sa.Column("postal_code", sa.String(length=7), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=11), nullable=False),
        sa.Column("contractor_name", sa.String(length=80), nullable=False),
        sa.Column("contractor_title", sa.String(length=40), nullable=False),
        sa.Column("administrator", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["receipt_number"],
            ["registry_application.receipt_number"],
            name=op.f("fk_registry_application_parties_receipt_number"),
        ),
        sa.PrimaryKeyConstraint("receipt_number", name=op.f("pk_registry_application_parties")),
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
        sa.Column("version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["receipt_number"], ["registry_application.receipt_number"], name=op.f("fk_registry_application_query_receipt_number")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_application_query")),
    )
    with op.batch_alter_table("registry_application_query", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_application_query_receipt_number"), ["receipt_number"], unique=False)

    op.create_table(
        "registry_application_version",
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["receipt_number"],
            ["registry_application.receipt_number"],
            name=op.f("fk_registry_application_version_receipt_number"),
        ),
        sa.PrimaryKeyConstraint("receipt_number", "version", name=op.f("pk_registry_application_version")),
    )
    op.create_table(
        "registry_attachment",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("draft_id", sa.String(length=32), nullable=True),
        sa.Column("receipt_number", sa.String(length=7), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("attached_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attached_by", sa.String(length=100), nullable=False),
        sa.CheckConstraint("(draft_id IS NULL) = (receipt_number IS NOT NULL)", name="ck_registry_attachment_owner"),
        sa.CheckConstraint("(receipt_number IS NULL) = (version IS NULL)", name="ck_registry_attachment_version"),
        sa.CheckConstraint("size > 0", name="ck_registry_attachment_size"),
        sa.ForeignKeyConstraint(
            ["receipt_number"], ["registry_application.receipt_number"], name=op.f("fk_registry_attachment_receipt_number")
        ),
        sa.ForeignKeyConstraint(["sha256"], ["registry_attachment_file.sha256"], name=op.f("fk_registry_attachment_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_attachment")),
    )
    with op.batch_alter_table("registry_attachment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_attachment_draft_id"), ["draft_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_registry_attachment_receipt_number"), ["receipt_number"], unique=False)
        batch_op.create_index(batch_op.f("ix_registry_attachment_sha256"), ["sha256"], unique=False)

    op.create_table(
        "registry_bill_line",
        sa.Column("bill_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "item",
            sa.Enum(
                "terminal",
                "statistics",
                "storage",
                "usage",
                name="ck_registry_bill_line_item",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("subjects", sa.JSON(), nullable=False),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Integer(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["bill_id"], ["registry_bill.id"], name=op.f("fk_registry_bill_line_bill_id")),
        sa.PrimaryKeyConstraint("bill_id", "position", name=op.f("pk_registry_bill_line")),
    )
    op.create_table(
        "registry_general_terminal",
        sa.Column("name", sa.String(length=6), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column(
            "system_class",
            sa.Enum(
                "sea",
                "air",
                "shared",
                name="ck_registry_general_terminal_system_class",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("device", sa.String(length=20), nullable=False),
        sa.Column("line_number", sa.String(length=7), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "length(name) = 6 AND ltrim(substr(name, 1, 5), '0123456789') = '' AND ltrim(substr(name, 6, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') = ''",
            name="ck_registry_general_terminal_name",
        ),
        sa.ForeignKeyConstraint(["line_number"], ["registry_line.number"], name=op.f("fk_registry_general_terminal_line_number")),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_general_terminal_office_code")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_registry_general_terminal")),
    )
    with op.batch_alter_table("registry_general_terminal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_general_terminal_office_code"), ["office_code"], unique=False)

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
        batch_op.create_index(
            "ix_registry_terminal_suspended",
            ["name"],
            unique=False,
            sqlite_where=sa.text("suspended_at IS NOT NULL"),
            postgresql_where=sa.text("suspended_at IS NOT NULL"),
        )

    op.create_table(
        "registry_usage",
        sa.Column("record", sa.String(length=40), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("user_code", sa.String(length=8), nullable=False),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bill_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("quantity >= 0", name="ck_registry_usage_quantity"),
        sa.ForeignKeyConstraint(["bill_id"], ["registry_bill.id"], name=op.f("fk_registry_usage_bill_id")),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_usage_office_code")),
        sa.PrimaryKeyConstraint("record", name=op.f("pk_registry_usage")),
    )
    with op.batch_alter_table("registry_usage", schema=None) as batch_op:
        batch_op.create_index("ix_registry_usage_unbilled", ["office_code", "bill_id"], unique=False)

    op.create_table(
        "registry_suspension",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("terminal_name", sa.String(length=6), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["terminal_name"], ["registry_terminal.name"], name=op.f("fk_registry_suspension_terminal_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_suspension")),
    )
    with op.batch_alter_table("registry_suspension", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_suspension_terminal_name"), ["terminal_name"], unique=False)

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
    with op.batch_alter_table("registry_suspension", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_suspension_terminal_name"))

    op.drop_table("registry_suspension")
    with op.batch_alter_table("registry_usage", schema=None) as batch_op:
        batch_op.drop_index("ix_registry_usage_unbilled")

    op.drop_table("registry_usage")
    with op.batch_alter_table("registry_terminal", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_registry_terminal_suspended",
            sqlite_where=sa.text("suspended_at IS NOT NULL"),
            postgresql_where=sa.text("suspended_at IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_registry_terminal_receipt_number"))
        batch_op.drop_index(batch_op.f("ix_registry_terminal_office_code"))
        batch_op.drop_index(batch_op.f("ix_registry_terminal_changed_at"))

    op.drop_table("registry_terminal")
    with op.batch_alter_table("registry_general_terminal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_general_terminal_office_code"))

    op.drop_table("registry_general_terminal")
    op.drop_table("registry_bill_line")
    with op.batch_alter_table("registry_attachment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_attachment_sha256"))
        batch_op.drop_index(batch_op.f("ix_registry_attachment_receipt_number"))
        batch_op.drop_index(batch_op.f("ix_registry_attachment_draft_id"))

    op.drop_table("registry_attachment")
    op.drop_table("registry_application_version")
    with op.batch_alter_table("registry_application_query", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_application_query_receipt_number"))

    op.drop_table("registry_application_query")
    op.drop_table("registry_application_parties")
