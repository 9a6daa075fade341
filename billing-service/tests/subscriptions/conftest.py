"""Fixtures of the subscription tests."""

import pytest

from tests.sandbox import Sandbox
from tests.subscriptions.person import Person


@pytest.fixture
def person(stripe: Sandbox) -> Person:
    """Somebody who has never subscribed."""
    return Person(stripe)
