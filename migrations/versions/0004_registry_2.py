"""The schema of 0.1.0: the tables of registry, part 2."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
        "registry_partnership",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("user_code", sa.String(length=8), nullable=False),
        sa.Column("partner", sa.String(length=6), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.CheckConstraint("partner <> office_code", name="ck_registry_partnership_partner"),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_partnership_office_code")),
        sa.ForeignKeyConstraint(["partner"], ["registry_office.code"], name=op.f("fk_registry_partnership_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_partnership")),
    )
    with op.batch_alter_table("registry_partnership", schema=None) as batch_op:
        batch_op.create_index(
            "uq_registry_partnership_open",
            ["office_code", "user_code", "partner"],
            unique=True,
            sqlite_where=sa.text("end_date IS NULL"),
            postgresql_where=sa.text("end_date IS NULL"),
        )

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
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("executed_by", sa.String(length=100), nullable=True),
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
    with op.batch_alter_table("registry_general_terminal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_general_terminal_office_code"))

    op.drop_table("registry_general_terminal")
    with op.batch_alter_table("registry_attachment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_attachment_sha256"))
        batch_op.drop_index(batch_op.f("ix_registry_attachment_receipt_number"))
        batch_op.drop_index(batch_op.f("ix_registry_attachment_draft_id"))

    op.drop_table("registry_attachment")
    op.drop_table("registry_application_version")
    with op.batch_alter_table("registry_application_query", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_application_query_receipt_number"))

    op.drop_table("registry_application_query")
    op.drop_table("registry_application_item")
    op.drop_table("registry_application_addition")
    with op.batch_alter_table("registry_user_code", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_user_code_office_code"))

    op.drop_table("registry_user_code")
    with op.batch_alter_table("registry_partnership", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_registry_partnership_open", sqlite_where=sa.text("end_date IS NULL"), postgresql_where=sa.text("end_date IS NULL")
        )

    op.drop_table("registry_partnership")
    with op.batch_alter_table("registry_news", schema=None) as batch_op:
        batch_op.drop_index("ix_registry_news_office")

    op.drop_table("registry_news")
