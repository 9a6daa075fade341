"""Cards tried in the browser, and from the many addresses of one IPv6 network, are limited too."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from subscriptions.models import CardFailure, StartedSetup
from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.subscriptions.person import DECLINED, NEEDS_AUTHENTICATION, VISA, Person, card
from users.mirror import mirror_user


def _limit(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
    monkeypatch.setattr(settings, "BILLING", replace(settings.BILLING, **limits))


def _from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def _prepare(person: Person, **headers: str) -> str:
    answer = person.post("setup-intent", {}, **headers)
    assert answer.status_code == 200, answer.content
    return str(answer.json()["setup_intent"])


def test_the_setup_intents_of_a_user_are_limited(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card form that is opened now and then is never refused; an hour later it opens again."""
    _limit(monkeypatch, setup_intents_per_user=2)
    for _ in range(2):
        _prepare(person)

    answer = person.post("setup-intent")

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_setup_intents")
    assert 0 < int(answer["Retry-After"]) <= 3601
    assert person.subscribe().status_code == 200
    StartedSetup.objects.update(at=timezone.now() - timedelta(hours=1, seconds=1))
    _prepare(person)


def test_the_setup_intents_of_a_network_are_limited(
    stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One user for each setup intent does not help."""
    _limit(monkeypatch, setup_intents_per_source=2)
    for last in (1, 2):
        _prepare(Person(stripe), **_from(f"2001:db8:5:6::{last}"))

    answer = Person(stripe).post("setup-intent", {}, **_from("2001:db8:5:6:ffff::3"))

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_setup_intents")
    _prepare(Person(stripe), **_from("2001:db8:5:7::1"))


def test_cards_refused_in_the_browser_count(
    person: Person, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt counts once, with its card; at the limit the open setup intents are ended."""
    _limit(monkeypatch, card_failures_per_user=2)
    intent = _prepare(person, **_from("198.51.100.7"))
    unused = _prepare(person)
    for number in ("pm_card_visa_chargeDeclined", "pm_card_chargeDeclinedExpiredCard"):
        stripe.refuse_setup(intent, number)
    reported = stripe.new_events()
    for event in reported * 2:
        deliver(event)
    process_events()

    failures = CardFailure.objects.filter(user_id=person.id)
    assert {each.code for each in failures} == {"generic_decline", "expired_card"}
    assert {each.source for each in failures} == {"198.51.100.7"}
    assert len({each.fingerprint for each in failures}) == 2
    for path, body in (("setup-intent", {}), ("payment-method", card())):
        answer = person.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_card_failures")
    for each in (intent, unused):
        assert stripe.get(f"/v1/setup_intents/{each}")["status"] == "canceled"


def test_a_card_refused_by_the_api_counts_once(person: Person) -> None:
    """Stripe reports it as well; the answer already did."""
    assert person.post("payment-method", card(DECLINED)).status_code == 400
    person.hear_from_stripe()

    assert CardFailure.objects.filter(user_id=person.id).count() == 1


def test_a_card_whose_bank_page_was_failed_counts(person: Person, stripe: Sandbox) -> None:
    """A card changed through the API can be refused after its answer."""
    setup = person.post("payment-method", card(NEEDS_AUTHENTICATION)).json()
    stripe.authenticate(setup["setup_intent"], outcome="fail")
    person.hear_from_stripe()

    failure = CardFailure.objects.get(user_id=person.id)
    assert failure.code == "setup_intent_authentication_failure"


def test_the_addresses_of_one_ipv6_network_are_one_source(
    stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home has 2^64 addresses; rows stored for single ones count as well."""
    _limit(monkeypatch, card_failures_per_source=2)
    earlier = uuid.uuid4()
    mirror_user(earlier)
    CardFailure.objects.create(
        user_id=earlier, source="2001:db8:1:2:aaaa::1", reference="x", code="generic_decline"
    )
    assert Person(stripe).subscribe(DECLINED, **_from("2001:db8:1:2::1")).status_code == 400

    assert Person(stripe).subscribe(VISA, **_from("2001:db8:1:2:ffff::9")).status_code == 429
    assert Person(stripe).subscribe(VISA, **_from("2001:db8:1:3::1")).status_code == 200


def test_ipv4_addresses_written_as_ipv6_stay_single(
    stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one card tester behind such a proxy would lock all of its users out."""
    _limit(monkeypatch, card_failures_per_source=1)
    assert Person(stripe).subscribe(DECLINED, **_from("::ffff:192.0.2.1")).status_code == 400

    assert Person(stripe).subscribe(VISA, **_from("::ffff:192.0.2.2")).status_code == 200
    assert Person(stripe).subscribe(VISA, **_from("192.0.2.1")).status_code == 429
