"""A throttle bucket is judged by its last failure and its end; nothing reads when it began."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the column."""
    op.drop_column("throttle_bucket", "started_at")


def downgrade() -> None:
    """Bring it back; the buckets in place count as begun now."""
    began = sa.Column(
        "started_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
    )
    op.add_column("throttle_bucket", began)
    op.alter_column("throttle_bucket", "started_at", server_default=None)
