"""Users and verifiers notice nothing, whichever commands operators run in whichever order."""

import secrets
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from auth_service.keys import KeyRecord, KeyTimings, Manifest, RotationRefused, thumbprint
from auth_service.keys.jwk import to_base64url
from auth_service.keys.manifest import check_manifest, format_manifest, parse_manifest
from auth_service.keys.rotation import pruned, revoked, rotated, spare_of, with_first_key
from auth_service.keys.states import is_published, signing_record, verifies_refresh
from auth_service.keys.store import kids_with_private_key

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
TIMINGS = KeyTimings(access_lifetime_seconds=300, refresh_lifetime_seconds=86_400)
SKEW = timedelta(seconds=TIMINGS.skew_seconds)
ACCESS = timedelta(seconds=TIMINGS.access_lifetime_seconds)
REFRESH = timedelta(seconds=TIMINGS.refresh_lifetime_seconds)

moves = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1, 31, 60, 299, 330, 800, 7_200, 86_400, 90_000])),
    st.tuples(st.just("rotate"), st.just(0)),
    st.tuples(st.just("revoke"), st.integers(0, 5)),
)


class Operator:
    """Changes keys as the commands do, and remembers the tokens that have not expired."""

    def __init__(self) -> None:
        self.now = NOON
        self.manifest = with_first_key(Manifest(), self._generate)
        self.tokens: list[tuple[str, datetime]] = []

    def does(self, move: str, argument: int) -> None:
        """Run one command; tokens are issued before and after it."""
        self._issue()
        if move == "wait":
            self.now += timedelta(seconds=argument)
        else:
            self._change(move, argument)
        self._issue()

    def _change(self, move: str, argument: int) -> None:
        try:
            if move == "rotate":
                changed = rotated(self.manifest, self._generate, now=self.now, timings=TIMINGS)
            else:
                kid = self.manifest.records[argument % len(self.manifest.records)].kid
                changed = revoked(self.manifest, self._generate, kid=kid, now=self.now)
        except RotationRefused:
            return
        self.manifest = pruned(changed, now=self.now, timings=TIMINGS)
        # The next command does not wait until the workers have noticed this one.
        assert spare_of(self.manifest)

    def _issue(self) -> None:
        signing = signing_record(self.manifest.records, now=self.now)
        assert signing
        self.tokens.append((signing.kid, self.now))

    def _generate(self) -> KeyRecord:
        modulus = secrets.randbits(2048) | (1 << 2047) | 1
        members = {"kty": "RSA", "n": to_base64url(modulus), "e": "AQAB"}
        kid = thumbprint(members)
        return KeyRecord(
            kid=kid, public_jwk={**members, "kid": kid}, made_in="staging", publish_at=self.now
        )


@settings(max_examples=150, deadline=None)
@given(st.lists(moves, max_size=14))
def test_no_order_of_commands_leaves_the_service_without_a_usable_key(
    sequence: list[tuple[str, int]],
) -> None:
    """At any time, on every clock within the allowed difference, one published key signs."""
    operator = Operator()
    for move, argument in sequence:
        operator.does(move, argument)
        check_manifest(operator.manifest)
        assert parse_manifest(format_manifest(operator.manifest)) == operator.manifest
        for clock in (operator.now - SKEW, operator.now, operator.now + SKEW):
            signing = signing_record(operator.manifest.records, now=clock)
            assert signing
            assert signing.revoked_at is None
            assert signing.kid in kids_with_private_key(operator.manifest, now=operator.now)
            assert is_published(signing, now=max(clock, signing.publish_at))


@settings(max_examples=150, deadline=None)
@given(st.lists(moves, max_size=14))
def test_no_order_of_commands_refuses_a_token_whose_key_was_not_revoked(
    sequence: list[tuple[str, int]],
) -> None:
    """No user has to log in again after a rotation or the revocation of another key."""
    operator = Operator()
    for move, argument in sequence:
        operator.does(move, argument)
        _every_living_token_is_accepted(operator)


def _every_living_token_is_accepted(operator: Operator) -> None:
    now = operator.now
    for kid, issued_at in operator.tokens:
        record = operator.manifest.find(kid)
        if now >= issued_at + REFRESH or (record and record.revoked_at):
            continue
        assert record, "forgotten while a refresh token of it was alive"
        assert verifies_refresh(record, now=now)
        assert now >= issued_at + ACCESS or is_published(record, now=now)
