"""The second factor: who has one, what proves it, and log-ins that wait for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the column and the tables."""
    op.add_column("users", sa.Column("second_factor_at", _moment))
    op.create_table(
        "second_factor",
        sa.Column("user_id", sa.Uuid, _user(), primary_key=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("last_used_at", _moment),
        sa.Column("last_step", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("refused_codes", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.Uuid, _user(), primary_key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
    )
    op.create_table(
        "second_factor_challenge",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("user_id", sa.Uuid, _user(), nullable=False),
        sa.Column("auth_epoch", sa.Integer, nullable=False),
        sa.Column("options", JSONB, nullable=False, server_default="{}"),
        sa.Column("tries_left", sa.Integer, nullable=False),
        sa.Column("expires_at", _moment, nullable=False),
    )
    op.create_index("second_factor_challenge_expires_at", "second_factor_challenge", ["expires_at"])


def downgrade() -> None:
    """Remove them: every account then logs in with its password alone."""
    for table in ("second_factor_challenge", "recovery_code", "second_factor"):
        op.drop_table(table)
    op.drop_column("users", "second_factor_at")


def _user() -> sa.ForeignKey:
    return sa.ForeignKey("users.id", ondelete="CASCADE")
