"""The outbox of mails, one-time tokens, and what strangers asked for by mail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables, and when an account's e-mail address was verified."""
    op.add_column("users", sa.Column("email_verified_at", _moment, nullable=True))
    op.create_index(
        "users_verified_email",
        "users",
        [sa.text("lower(email)")],
        unique=True,
        postgresql_where=sa.text("email_verified_at IS NOT NULL AND deleted_at IS NULL"),
    )
    op.create_index(
        "users_email",
        "users",
        [sa.text("lower(email)")],
        unique=False,
        postgresql_where=sa.text("email <> '' AND deleted_at IS NULL"),
    )
    op.create_table(
        "one_time_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("auth_epoch", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("expires_at", _moment, nullable=False),
        sa.Column("used_at", _moment, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_index("one_time_token_user_id", "one_time_token", ["user_id"], unique=False)
    op.create_index("one_time_token_email", "one_time_token", [sa.text("lower(email)")])
    op.create_index("one_time_token_expires_at", "one_time_token", ["expires_at"], unique=False)
    op.create_table(
        "mail_outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("context", postgresql.JSONB(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("token_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", _moment, nullable=True),
        sa.Column("sent_at", _moment, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "mail_outbox_next_attempt_at",
        "mail_outbox",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index("mail_outbox_created_at", "mail_outbox", ["created_at"], unique=False)
    op.create_table(
        "account_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", _moment, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("account_request")
    op.drop_table("mail_outbox")
    op.drop_table("one_time_token")
    op.drop_index("users_email", "users")
    op.drop_index("users_verified_email", "users")
    op.drop_column("users", "email_verified_at")
