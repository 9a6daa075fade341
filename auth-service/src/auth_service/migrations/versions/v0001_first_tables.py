"""Users, refresh families, throttling, idempotency and the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_event_user_id", "audit_event", ["user_id", "id"], unique=False)
    op.create_table(
        "feed_position",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("single", name="feed_position_has_one_row"),
        sa.PrimaryKeyConstraint("single"),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("response", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("idempotency_key_created_at", "idempotency_key", ["created_at"], unique=False)
    op.create_table(
        "known_source",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(
        "known_source_last_success_at", "known_source", ["last_success_at"], unique=False
    )
    op.create_table(
        "throttle_bucket",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("throttle_bucket_expires_at", "throttle_bucket", ["expires_at"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.String(length=150), nullable=False),
        sa.Column("username_key", sa.Text(), nullable=False),
        sa.Column("email", sa.String(length=254), server_default="", nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_staff", sa.Boolean(), nullable=False),
        sa.Column("is_superuser", sa.Boolean(), nullable=False),
        sa.Column("auth_epoch", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "deleted_at IS NULL OR NOT is_active", name="deleted_users_are_inactive"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("change_seq"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "users_active_superusers",
        "users",
        ["id"],
        unique=False,
        postgresql_where=sa.text("is_superuser AND is_active"),
    )
    op.create_index(
        "users_username_key",
        "users",
        ["username_key"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "refresh_family",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("head_jti", sa.Uuid(), nullable=False),
        sa.Column("head_iat", sa.BigInteger(), nullable=False),
        sa.Column("head_exp", sa.BigInteger(), nullable=False),
        sa.Column("consumed_jtis", sa.ARRAY(sa.Uuid()), server_default="{}", nullable=False),
        sa.Column("consumed_at", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        sa.Column("absolute_exp", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        postgresql_with={"fillfactor": "50"},
    )

    op.execute("INSERT INTO feed_position (seq) VALUES (0)")


def downgrade() -> None:
    """Drop the tables, newest first."""
    op.drop_table("refresh_family")
    op.drop_table("users")
    op.drop_table("throttle_bucket")
    op.drop_table("known_source")
    op.drop_table("idempotency_key")
    op.drop_table("feed_position")
    op.drop_table("audit_event")
