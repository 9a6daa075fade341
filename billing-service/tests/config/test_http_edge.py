"""What is the same for every address: HEAD, and the headers that protect answers."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.subscriptions.person import Person

PAGES = ["/admin/login/", "/api/docs/", "/nothing", "/admin/"]
PERSONAL = ["status", "entitlements", "invoices", "next-action", "products"]


@pytest.mark.django_db(transaction=True)
def test_no_cache_keeps_an_answer_about_a_person(person: Person) -> None:
    """Nothing has to say so by itself: what says nothing is not stored, refusals included."""
    subscribed = person.subscribe()

    for answer in [subscribed, *(person.get(path) for path in PERSONAL)]:
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
    assert person.get("invoices?limt=1")["Cache-Control"] == "no-store"


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_files_of_ours_alone(client: Client, path: str) -> None:
    """Injected markup cannot run."""
    policy = client.get(path)["Content-Security-Policy"]

    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/subscriptions/status", "/api/schema/", "/api/nothing"])
def test_nothing_in_a_json_answer_runs(client: Client, path: str) -> None:
    """If a browser shows it."""
    answer = client.get(path)

    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
def test_head_answers_wherever_get_does(
    client: Client, authorization: Callable[..., dict[str, str]]
) -> None:
    """With the status and the headers of GET."""
    known = authorization()
    schema = client.get("/api/schema/").json()
    paths = [path for path, methods in schema["paths"].items() if "get" in methods]
    assert len(paths) >= 5
    for path in [*paths, "/api/schema/", "/api/docs/", "/admin/login/", "/livez"]:
        got, head = client.get(path, headers=known), client.head(path, headers=known)

        assert (head.status_code, head.content) == (got.status_code, b""), path
        for name in ("Content-Type", "ETag", "Cache-Control"):
            assert head.get(name) == got.get(name), path
