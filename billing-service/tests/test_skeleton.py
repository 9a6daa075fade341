"""Paths that exist whatever else happens."""

import pytest
from django.test import Client

from users.models import User


def test_the_root_leads_to_the_documentation(client: Client) -> None:
    """Whoever opens the bare address lands on the Swagger page."""
    answer = client.get("/")

    assert (answer.status_code, answer["Location"]) == (302, "/api/docs/")


@pytest.mark.django_db
def test_a_mirror_has_no_password_column() -> None:
    """A dump of this database can hold no password hash."""
    assert "password" not in {field.name for field in User._meta.get_fields()}
    assert User.objects.count() == 0
