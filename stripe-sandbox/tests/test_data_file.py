"""A data file that an earlier version wrote goes on under this one."""

import sqlite3
from pathlib import Path

from tests.server import Server

OLD = Path(__file__).parent / "data" / "version-0.1.sql"


def test_a_file_of_version_0_1_is_opened_with_nothing_lost(tmp_path: Path) -> None:
    """Objects are found by id, in lists and in searches; deleted ones stay deleted."""
    file = tmp_path / "sandbox.sqlite3"
    with sqlite3.connect(file) as old:
        old.executescript(OLD.read_text())
    old.close()

    for _start in range(2):
        with Server("--data", str(file)) as server:
            v1 = server.client().v1
            ada = v1.customers.list({"email": "ada@example.com"}).data[0]
            clock = v1.test_helpers.test_clocks.list().data[0]

            assert v1.customers.retrieve(ada.id).name == "Ada"
            assert [c.name for c in v1.customers.list().data] == ["Ada"]
            assert [c.name for c in v1.customers.list({"test_clock": clock.id}).data] == ["Bob"]
            assert v1.customers.search({"query": "name~'ada'"}).data[0].id == ada.id
            assert v1.customers.search({"query": "metadata['user']:'Bob'"}).data[0].name == "Bob"
            assert v1.prices.list({"lookup_keys": ["basic"]}).data[0].unit_amount == 1000
            assert v1.events.list({"type": "customer.deleted"}).data[0].data.object.name == "Gone"
