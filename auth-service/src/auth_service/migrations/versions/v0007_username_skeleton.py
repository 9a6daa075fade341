"""New usernames are compared with what existing ones look like."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index; `auth-service migrate` and the service fill it in batches."""
    op.add_column("users", sa.Column("username_skeleton", sa.Text()))
    # Not unique: names of before may look alike.
    op.create_index("users_username_skeleton", "users", ["username_skeleton"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("users_username_skeleton", "users")
    op.drop_column("users", "username_skeleton")
