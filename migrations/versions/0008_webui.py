"""The schema of 0.1.0: the tables of webui."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
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
        "webui_challenge",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("challenge", sa.LargeBinary(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", "purpose", name=op.f("pk_webui_challenge")),
    )
    with op.batch_alter_table("webui_challenge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_challenge_created_at"), ["created_at"], unique=False)

    op.create_table(
        "webui_device",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "token_hash", name=op.f("pk_webui_device")),
    )
    with op.batch_alter_table("webui_device", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_device_seen_at"), ["seen_at"], unique=False)

    op.create_table(
        "webui_half_log_in",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("door", sa.String(length=10), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_webui_half_log_in")),
    )
    with op.batch_alter_table("webui_half_log_in", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_half_log_in_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webui_half_log_in_created_at"), ["created_at"], unique=False)

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
        "webui_log_in",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("device", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webui_log_in")),
    )
    with op.batch_alter_table("webui_log_in", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_log_in_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webui_log_in_at"), ["at"], unique=False)

    op.create_table(
        "webui_news_mark",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("up_to", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_webui_news_mark")),
    )
    op.create_table(
        "webui_news_read",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("news_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "news_id", name=op.f("pk_webui_news_read")),
    )
    op.create_table(
        "webui_passkey",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webui_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_webui_passkey_credential_id")),
    )
    with op.batch_alter_table("webui_passkey", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_passkey_account_id"), ["account_id"], unique=False)

    op.create_table(
        "webui_recovery_code",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "digest", name=op.f("pk_webui_recovery_code")),
    )
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
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("device", sa.String(length=60), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_webui_session")),
    )
    with op.batch_alter_table("webui_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webui_session_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webui_session_created_at"), ["created_at"], unique=False)

    op.create_table(
        "webui_totp",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(length=120), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_webui_totp")),
    )


def downgrade() -> None:
    op.drop_table("webui_totp")
    with op.batch_alter_table("webui_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_session_created_at"))
        batch_op.drop_index(batch_op.f("ix_webui_session_account_id"))

    op.drop_table("webui_session")
    op.drop_table("webui_reset_request")
    op.drop_table("webui_recovery_code")
    with op.batch_alter_table("webui_passkey", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_passkey_account_id"))

    op.drop_table("webui_passkey")
    op.drop_table("webui_news_read")
    op.drop_table("webui_news_mark")
    with op.batch_alter_table("webui_log_in", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_log_in_at"))
        batch_op.drop_index(batch_op.f("ix_webui_log_in_account_id"))

    op.drop_table("webui_log_in")
    with op.batch_alter_table("webui_link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_link_created_at"))
        batch_op.drop_index(batch_op.f("ix_webui_link_change_id"))
        batch_op.drop_index(batch_op.f("ix_webui_link_account_id"))

    op.drop_table("webui_link")
    with op.batch_alter_table("webui_half_log_in", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_half_log_in_created_at"))
        batch_op.drop_index(batch_op.f("ix_webui_half_log_in_account_id"))

    op.drop_table("webui_half_log_in")
    with op.batch_alter_table("webui_device", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_device_seen_at"))

    op.drop_table("webui_device")
    with op.batch_alter_table("webui_challenge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webui_challenge_created_at"))

    op.drop_table("webui_challenge")
    with op.batch_alter_table("webui_address_change", schema=None) as batch_op:
        batch_op.drop_index("ix_webui_address_change_subject")
        batch_op.drop_index(batch_op.f("ix_webui_address_change_state"))

    op.drop_table("webui_address_change")
    op.drop_table("webui_account")
