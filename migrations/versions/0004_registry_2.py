"""The schema of 0.1.0: the tables of registry, part 2."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_broker",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("user_code", sa.String(length=8), nullable=False),
        sa.Column("id_number", sa.String(length=3), nullable=False),
        sa.Column("family_name", sa.String(length=40), nullable=False),
        sa.Column("given_name", sa.String(length=40), nullable=False),
        sa.Column("family_kana", sa.String(length=40), nullable=False),
        sa.Column("given_kana", sa.String(length=40), nullable=False),
        sa.Column("licence", sa.String(length=20), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_broker_office_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_broker")),
    )
    with op.batch_alter_table("registry_broker", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_broker_office_code"), ["office_code"], unique=False)
        batch_op.create_index(
            "uq_registry_broker_open",
            ["user_code", "id_number"],
            unique=True,
            sqlite_where=sa.text("end_date IS NULL"),
            postgresql_where=sa.text("end_date IS NULL"),
        )

    op.create_table(
        "registry_business",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column(
            "system_class",
            sa.Enum(
                "sea",
                "air",
                "shared",
                name="ck_registry_business_system_class",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_business_office_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_business")),
    )
    with op.batch_alter_table("registry_business", schema=None) as batch_op:
        batch_op.create_index(
            "uq_registry_business_open",
            ["office_code", "system_class", "business"],
            unique=True,
            sqlite_where=sa.text("end_date IS NULL"),
            postgresql_where=sa.text("end_date IS NULL"),
        )

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
        sa.Column("mailboxes", sa.Integer(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_contract_office_code")),
        sa.PrimaryKeyConstraint("office_code", name=op.f("pk_registry_contract")),
    )
    op.create_table(
        "registry_draft",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("login", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("receipt_number", sa.String(length=7), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_draft_office_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_draft")),
        sa.UniqueConstraint("office_code", "login", "kind", "receipt_number", name="uq_registry_draft_owner"),
    )
    op.create_table(
        "registry_line",
        sa.Column("number", sa.String(length=7), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("postal_code", sa.String(length=7), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "length(number) = 7 AND ltrim(substr(number, 1, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') = '' AND ltrim(substr(number, 2, 6), '0123456789') = ''",
            name="ck_registry_line_number",
        ),
        sa.ForeignKeyConstraint(["office_code"], ["registry_office.code"], name=op.f("fk_registry_line_office_code")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_registry_line")),
    )
    with op.batch_alter_table("registry_line", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registry_line_office_code"), ["office_code"], unique=False)

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
    with op.batch_alter_table("registry_application_item", schema=None) as batch_op:
        batch_op.create_index(
            "ix_registry_application_item_unexecuted",
            ["receipt_number"],
            unique=False,
            sqlite_where=sa.text("executed_at IS NULL AND item NOT IN ('terminals', 'price_plan')"),
            postgresql_where=sa.text("executed_at IS NULL AND item NOT IN ('terminals', 'price_plan')"),
        )


def downgrade() -> None:
    with op.batch_alter_table("registry_application_item", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_registry_application_item_unexecuted",
            sqlite_where=sa.text("executed_at IS NULL AND item NOT IN ('terminals', 'price_plan')"),
            postgresql_where=sa.text("executed_at IS NULL AND item NOT IN ('terminals', 'price_plan')"),
        )

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
    with op.batch_alter_table("registry_line", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registry_line_office_code"))

    op.drop_table("registry_line")
    op.drop_table("registry_draft")
    op.drop_table("registry_contract")
    with op.batch_alter_table("registry_business", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_registry_business_open", sqlite_where=sa.text("end_date IS NULL"), postgresql_where=sa.text("end_date IS NULL")
        )

    op.drop_table("registry_business")
    with op.batch_alter_table("registry_broker", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_registry_broker_open", sqlite_where=sa.text("end_date IS NULL"), postgresql_where=sa.text("end_date IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_registry_broker_office_code"))

    op.drop_table("registry_broker")
