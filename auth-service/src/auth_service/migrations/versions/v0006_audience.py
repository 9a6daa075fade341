"""A session can be for some services alone."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; null stands for TOKEN_DEFAULT_AUDIENCES, as in all sessions so far."""
    op.add_column("refresh_family", sa.Column("audience", sa.ARRAY(sa.Text())))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("refresh_family", "audience")
