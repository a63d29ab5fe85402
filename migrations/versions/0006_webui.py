"""The schema of 0.1.0: the tables of webui."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webui_account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("door", sa.String(length=10), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("login", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("mail", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webui_account")),
        sa.UniqueConstraint("door", "office_code", "login", name="webui_account_name"),
    )
    op.create_table(
        "webui_address_change",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("old_mail", sa.String(length=254), nullable=False),
        sa.Column("new_mail", sa.String(length=254), nullable=False),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.Column("requested_by", sa.String(length=100), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("old_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.String(length=100), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webui_address_change")),
    )
    with op.batch_alter_table("webui_address_change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_address_change_state"), ["state"], unique=False)
        batch_op.create_index("ix_webui_address_change_subject", ["office_code", "kind", "subject"], unique=False)

    op.create_table(
        "webui_link",
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("change_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_webui_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_webui_link_token_hash")),
    )
    with op.batch_alter_table("webui_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_link_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webui_link_change_id"), ["change_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webui_link_created_at"), ["created_at"], unique=False)

    op.create_table(
        "webui_reset_request",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=False),
        sa.Column("login", sa.String(length=40), nullable=False),
        sa.Column("mail", sa.String(length=254), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webui_reset_request")),
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


def downgrade() -> None:
    with op.batch_alter_table("webui_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_session_created_at"))
        batch_op.drop_index(batch_op.f("ix_webui_session_account_id"))

    op.drop_table("webui_session")
    op.drop_table("webui_reset_request")
    with op.batch_alter_table("webui_link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_link_created_at"))
        batch_op.drop_index(batch_op.f("ix_webui_link_change_id"))
        batch_op.drop_index(batch_op.f("ix_webui_link_account_id"))

    op.drop_table("webui_link")
    with op.batch_alter_table("webui_address_change", schema=None) as batch_op:
        batch_op.drop_index("ix_webui_address_change_subject")
        batch_op.drop_index(batch_op.f("ix_webui_address_change_state"))

    op.drop_table("webui_address_change")
    op.drop_table("webui_account")
