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


def downgrade() -> None:
    with op.batch_alter_table("webui_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_session_created_at"))
        batch_op.drop_index(batch_op.f("ix_webui_session_account_id"))

    op.drop_table("webui_session")
    op.drop_table("webui_account")
