"""Upgrades a data file of an earlier version when it is opened."""

import json
import sqlite3

from stripe_sandbox.objects.common import Json
from stripe_sandbox.storage.index import Index, Position
from stripe_sandbox.storage.kinds import KINDS

# The version of the data file.
_CURRENT = 2

# Until version 0.9, the state of an object stood in it, under names with an underscore.
_STATE = {
    "checkout.session": {
        "_items": "items",
        "_subscription_data": "subscription_data",
        "_discounts": "discounts",
        "_payment_intent": "payment_intent_data",
    },
    "discount": {"_coupon": "terms", "_used": "used"},
    "payment_method": {"_set_up": "authenticated", "_spent": "spent"},
    "subscription": {"_pending_invoice": "pending_invoice", "_resuming": "resuming_invoice"},
    "test_helpers.test_clock": {"_now": "reached"},
    "webhook_endpoint": {"_secret": "secret"},
}


def upgrade(connection: sqlite3.Connection, index: Index) -> None:
    """Move the state of objects into its column, and index them again, if that is not done yet."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == _CURRENT:
        return
    connection.execute("BEGIN IMMEDIATE")
    # The index of versions before 0.9.
    connection.execute("DROP TABLE IF EXISTS links")
    connection.execute("DROP INDEX IF EXISTS objects_by_kind")
    if "state" not in {row[1] for row in connection.execute("PRAGMA table_info(objects)")}:
        connection.execute("ALTER TABLE objects ADD COLUMN state TEXT NOT NULL DEFAULT '{}'")
        _move_state(connection)
    rows = "SELECT data, created, seq FROM objects WHERE deleted = 0"
    for data, created, seq in connection.execute(rows).fetchall():
        thing = json.loads(data)
        if thing["object"] in KINDS:
            index.write(thing, Position(created, seq), index.entries(seq))
    connection.execute(f"PRAGMA user_version = {_CURRENT}")
    connection.execute("COMMIT")


def _move_state(connection: sqlite3.Connection) -> None:
    for seq, kind, data in connection.execute("SELECT seq, kind, data FROM objects").fetchall():
        stored: Json = json.loads(data)
        names = _STATE.get(kind, {})
        state = {names[name]: value for name, value in stored.items() if name in names}
        thing = {name: value for name, value in stored.items() if not name.startswith("_")}
        connection.execute(
            "UPDATE objects SET data = ?, state = ? WHERE seq = ?",
            (json.dumps(thing), json.dumps(state), seq),
        )
