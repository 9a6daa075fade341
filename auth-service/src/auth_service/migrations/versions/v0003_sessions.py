"""Sessions show where they began; the audit log is read by action, person, time and address."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AUDIT_INDEXES = {
    "audit_event_at": ["at"],
    "audit_event_action": ["action", "id"],
    "audit_event_actor_id": ["actor_id", "id"],
    "audit_event_source": ["source", "id"],
}


def upgrade() -> None:
    """Add the columns, which the release before leaves empty, and the indexes."""
    op.add_column("refresh_family", sa.Column("created_at", sa.DateTime(timezone=True)))
    op.add_column("refresh_family", sa.Column("user_agent", sa.Text()))
    op.add_column("refresh_family", sa.Column("client_ip", sa.Text()))
    # Not built concurrently: that waits for the other processes that wait for this migration.
    op.create_index(
        "refresh_family_live",
        "refresh_family",
        ["user_id"],
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    for name, columns in _AUDIT_INDEXES.items():
        op.create_index(name, "audit_event", columns)


def downgrade() -> None:
    """Drop them."""
    for name in _AUDIT_INDEXES:
        op.drop_index(name, "audit_event")
    op.drop_index("refresh_family_live", "refresh_family")
    for name in ("client_ip", "user_agent", "created_at"):
        op.drop_column("refresh_family", name)
