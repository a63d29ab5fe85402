"""The schema of 0.1.0: the tables of kernel."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
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
        sa.Column("return_token", sa.String(length=32), nullable=False),
        sa.Column("office_code", sa.String(length=6), nullable=True),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("is_personal", sa.Boolean(), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attachment_name", sa.String(length=100), nullable=True),
        sa.Column("attachment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("passed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_mail")),
        sa.UniqueConstraint("message_id", name=op.f("uq_kernel_mail_message_id")),
        sa.UniqueConstraint("return_token", name=op.f("uq_kernel_mail_return_token")),
    )
    with op.batch_alter_table("kernel_mail", schema=None) as batch_op:
        batch_op.create_index(
            "ix_kernel_mail_given_up",
            ["id"],
            unique=False,
            sqlite_where=sa.text("sent_at IS NULL AND next_try_at IS NULL"),
            postgresql_where=sa.text("sent_at IS NULL AND next_try_at IS NULL"),
        )
        batch_op.create_index(
            "ix_kernel_mail_next_try_at",
            ["next_try_at"],
            unique=False,
            sqlite_where=sa.text("next_try_at IS NOT NULL"),
            postgresql_where=sa.text("next_try_at IS NOT NULL"),
        )
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


def downgrade() -> None:
    op.drop_table("kernel_throttle")
    with op.batch_alter_table("kernel_mail", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_mail_office_code"))
        batch_op.drop_index(
            "ix_kernel_mail_next_try_at",
            sqlite_where=sa.text("next_try_at IS NOT NULL"),
            postgresql_where=sa.text("next_try_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_kernel_mail_given_up",
            sqlite_where=sa.text("sent_at IS NULL AND next_try_at IS NULL"),
            postgresql_where=sa.text("sent_at IS NULL AND next_try_at IS NULL"),
        )

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
