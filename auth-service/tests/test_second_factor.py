"""The second factor: what users get, and what knowing the password alone does not open."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx
import jwt
import pyotp
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, update

from auth_service.cli import main
from auth_service.housekeeping import delete_expired
from auth_service.second_factor.protection import Protection
from auth_service.tables import (
    audit_event,
    mail_outbox,
    recovery_code,
    second_factor,
    second_factor_challenge,
)
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, MovableClock, Service

Obtain = Callable[..., httpx.Response]
AddUser = Callable[..., User]
PATH = "/api/token/second-factor"


@dataclass
class Phone:
    """The app of a user, and their access token and recovery codes."""

    http: httpx.Client
    clock: MovableClock
    access: str
    secret: str
    recovery_codes: list[str]

    def code(self, **ahead: float) -> str:
        """The code that the app shows now, or in a while."""
        return pyotp.TOTP(self.secret).at(self.clock() + timedelta(**ahead))

    def next_code(self) -> str:
        """Wait for the next code."""
        self.clock.advance(seconds=30)
        return self.code()

    def post(self, path: str, **body: str) -> httpx.Response:
        """Call an endpoint of the second factor as this user."""
        headers = {"Authorization": f"Bearer {self.access}"}
        return self.http.post(f"{PATH}/{path}", json=body, headers=headers)

    def get(self, path: str) -> httpx.Response:
        """Read something as this user."""
        return self.http.get(path, headers={"Authorization": f"Bearer {self.access}"})


Enrol = Callable[..., Phone]


@pytest.fixture
def enrol(http: httpx.Client, obtain: Obtain, add_user: AddUser, clock: MovableClock) -> Enrol:
    """Create a user and set up a second factor over HTTP."""

    def set_up(username: str = "ada") -> Phone:
        add_user(username, email=f"{username}@example.org")
        clock.stop()
        phone = Phone(http, clock, obtain(username).json()["access"], "", [])
        started = phone.post("enrol", current_password=PASSWORD)
        assert started.status_code == 200
        phone.secret = started.json()["secret"]
        confirmed = phone.post("confirm", code=phone.code())
        assert confirmed.status_code == 200
        phone.recovery_codes = confirmed.json()["recovery_codes"]
        return phone

    return set_up


@pytest.fixture
def answer(http: httpx.Client) -> Callable[..., httpx.Response]:
    """Complete a log-in over HTTP."""

    def complete(challenge: str, *, client_ip: str = "192.0.2.1", **proof: str) -> httpx.Response:
        body = {"challenge": challenge, **proof}
        return http.post(PATH, json=body, headers={"X-Forwarded-For": client_ip})

    return complete


Answer = Callable[..., httpx.Response]


def codes_of(answers: list[httpx.Response]) -> list[str]:
    """The stable code of each refusal; `ok` for a success."""
    return [one.json().get("code", "ok") for one in answers]


def test_a_log_in_with_a_code(enrol: Enrol, obtain: Obtain, answer: Answer) -> None:
    """The password gets a challenge, the challenge and a code get the tokens."""
    phone = enrol()

    asked = obtain()
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_required")
    assert set(asked.json()) == {"detail", "code", "challenge", "expires_in"}
    assert asked.json()["expires_in"] == 300
    assert asked.headers["Cache-Control"] == "no-store"
    assert 'error="insufficient_user_authentication"' in asked.headers["WWW-Authenticate"]

    granted = answer(asked.json()["challenge"], code=phone.next_code())
    assert granted.status_code == 200
    assert set(granted.json()) == {"refresh", "access"}
    phone.access = granted.json()["access"]
    assert phone.get("/api/token/me").json()["username"] == "ada"


def test_what_was_asked_for_at_obtain_comes_with_the_tokens(
    http: httpx.Client, enrol: Enrol
) -> None:
    """The audience and the place of the refresh token, as without a second factor."""
    phone = enrol()
    asked = {
        "username": "ada",
        "password": PASSWORD,
        "refresh_in": "cookie",
        "audience": ["auth-service"],
    }
    page = {"Origin": "http://localhost:8000"}
    challenge = http.post("/api/token/obtain", json=asked, headers=page).json()["challenge"]
    proof = {"challenge": challenge, "code": phone.next_code()}
    granted = http.post(PATH, json=proof, headers=page)
    assert set(granted.json()) == {"access"}
    assert "HttpOnly" in granted.headers["Set-Cookie"]
    claims = http.post("/api/token/verify", json={"token": granted.json()["access"]}).json()
    assert claims["aud"] == ["auth-service"]


def test_the_audience_of_the_log_in_is_kept(
    enrol: Enrol, http: httpx.Client, answer: Answer
) -> None:
    """What the client asked for with the password holds for the tokens after the code."""
    phone = enrol()
    body = {"username": "ada", "password": PASSWORD, "audience": "auth-service"}
    asked = http.post("/api/token/obtain", json=body).json()

    granted = answer(asked["challenge"], code=phone.next_code()).json()

    for token in (granted["access"], granted["refresh"]):
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["aud"] == ["auth-service"]
    wider = {"refresh": granted["refresh"], "audience": "billing-service"}
    refused = http.post("/api/token/refresh", json=wider)
    assert refused.json()["code"] == "invalid_audience"


def test_what_a_user_gets_for_the_app(enrol: Enrol) -> None:
    """A secret, a link and a QR code with the app's and the user's name; the state shows it."""
    phone = enrol()
    assert phone.get("/api/token/me").json()["second_factor_at"] is not None
    state = phone.get(PATH).json()
    assert state["enabled_at"] == state["last_used_at"] is not None
    assert state["recovery_codes_left"] == len(set(phone.recovery_codes)) == 10


def test_nothing_changes_until_a_code_confirms_it(
    http: httpx.Client, obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """A user who scans the code and gives up can still log in."""
    add_user()
    phone = Phone(http, clock, obtain().json()["access"], "", [])
    assert phone.post("confirm", code="123456").json()["code"] == "enrolment_not_started"
    started = phone.post("enrol", current_password=PASSWORD).json()
    assert started["otpauth_uri"].startswith("otpauth://totp/Stripe%20Assignment:ada?secret=")
    assert started["qr_code"].startswith("<svg ")
    assert "style=" not in started["qr_code"]

    phone.secret = pyotp.random_base32()
    assert phone.post("confirm", code=phone.code()).json()["code"] == "wrong_code"
    assert obtain().status_code == 200
    assert phone.get("/api/token/me").json()["second_factor_at"] is None


def test_enrolment_needs_the_password(
    http: httpx.Client, obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """A stolen access token does not lock the owner out with a second factor of the thief's."""
    add_user()
    phone = Phone(http, clock, obtain().json()["access"], "", [])
    refused = phone.post("enrol", current_password="not my password")
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    assert http.post(f"{PATH}/enrol", json={"current_password": PASSWORD}).status_code == 401


def test_a_second_enrolment_is_refused(enrol: Enrol) -> None:
    """An active secret is not replaced before it is disabled."""
    phone = enrol()
    assert phone.post("enrol", current_password=PASSWORD).status_code == 409
    assert phone.post("confirm", code=phone.next_code()).json()["code"] == "second_factor_active"


def test_a_code_is_accepted_once(enrol: Enrol, obtain: Obtain, answer: Answer) -> None:
    """A code read over a shoulder is of no use; nor is the one before it."""
    phone = enrol()
    # The code that confirmed the enrolment counts as used.
    assert answer(obtain().json()["challenge"], code=phone.code()).json()["code"] == "wrong_code"
    code = phone.next_code()
    assert answer(obtain().json()["challenge"], code=code).status_code == 200
    again = answer(obtain().json()["challenge"], code=code)
    assert (again.status_code, again.json()["code"]) == (403, "wrong_code")
    older = answer(obtain().json()["challenge"], code=phone.code(seconds=-30))
    assert older.json()["code"] == "wrong_code"


def test_clocks_may_differ_by_one_step(enrol: Enrol, obtain: Obtain, answer: Answer) -> None:
    """A phone that is 30 seconds off works; one that is a minute off does not."""
    phone = enrol()
    phone.clock.advance(minutes=10)
    for ahead, code in ((-60, "wrong_code"), (60, "wrong_code"), (-30, "ok"), (30, "ok")):
        given = answer(obtain().json()["challenge"], code=phone.code(seconds=ahead))
        assert codes_of([given]) == [code]


def test_one_of_twelve_requests_with_one_code_succeeds(
    enrol: Enrol, obtain: Obtain, answer: Answer
) -> None:
    """Whatever the requests share, the challenge or the code alone, one log-in comes of it."""
    phone = enrol()
    challenge, code = obtain().json()["challenge"], phone.next_code()
    with ThreadPoolExecutor(12) as pool:
        same = list(pool.map(lambda _: answer(challenge, code=code), range(12)))
    assert codes_of(same).count("ok") == 1
    assert {one.status_code for one in same} <= {200, 401, 403}

    for _ in range(5):
        phone.clock.advance(hours=1)
        challenges, code = [obtain().json()["challenge"] for _ in range(12)], phone.next_code()
        with ThreadPoolExecutor(12) as pool:
            own = list(pool.map(partial(answer, code=code), challenges))
        assert codes_of(own).count("ok") == 1
        assert set(codes_of(own)) <= {"ok", "wrong_code", "too_many_attempts"}


def test_a_recovery_code_works_once(enrol: Enrol, obtain: Obtain, answer: Answer) -> None:
    """It replaces a lost phone for one log-in, however it is typed."""
    phone = enrol()
    typed = phone.recovery_codes[0].lower().replace("-", " ")
    assert answer(obtain().json()["challenge"], recovery_code=typed).status_code == 200
    again = answer(obtain().json()["challenge"], recovery_code=phone.recovery_codes[0])
    assert again.json()["code"] == "wrong_code"
    assert phone.get(PATH).json()["recovery_codes_left"] == 9
    other = phone.recovery_codes[1]
    with ThreadPoolExecutor(8) as pool:
        challenges = [obtain().json()["challenge"] for _ in range(4)]
        both = list(pool.map(lambda one: answer(one, recovery_code=other), challenges))
    assert codes_of(both).count("ok") == 1


def test_new_recovery_codes_end_the_old_ones(enrol: Enrol, obtain: Obtain, answer: Answer) -> None:
    """A list that was seen by others is replaced."""
    phone = enrol()
    old = phone.recovery_codes
    proof = {"current_password": PASSWORD, "code": phone.next_code()}
    assert phone.post("recovery-codes", current_password="no", code="123456").status_code == 403
    new = phone.post("recovery-codes", **proof).json()["recovery_codes"]
    assert len(new) == 10
    assert not set(new) & set(old)
    refused = answer(obtain().json()["challenge"], recovery_code=old[3])
    assert refused.json()["code"] == "wrong_code"
    assert answer(obtain().json()["challenge"], recovery_code=new[3]).status_code == 200


def test_disabling_needs_password_and_code(enrol: Enrol, obtain: Obtain) -> None:
    """Neither a stolen session nor a stolen phone disables the second factor."""
    phone = enrol()
    wrong = phone.post("disable", current_password="not my password", code=phone.next_code())
    assert wrong.json()["code"] == "wrong_password"
    wrong = phone.post("disable", current_password=PASSWORD, code="000000")
    assert wrong.json()["code"] == "wrong_code"
    assert phone.post("disable", current_password=PASSWORD).json()["code"] == "validation_error"

    done = phone.post("disable", current_password=PASSWORD, code=phone.code())
    assert done.status_code == 204
    assert obtain().status_code == 200
    assert phone.get(PATH).json() == {
        "enabled_at": None,
        "last_used_at": None,
        "recovery_codes_left": 0,
    }
    again = phone.post("disable", current_password=PASSWORD, code=phone.next_code())
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_not_active")


def test_guessing_codes_is_throttled(
    enrol: Enrol, obtain: Obtain, answer: Answer, clock: MovableClock
) -> None:
    """Who has the password gets five guesses; a new challenge brings no new ones."""
    phone = enrol()
    first, second = obtain().json()["challenge"], obtain().json()["challenge"]
    guesses = [answer(first, code="000000") for _ in range(3)]
    guesses += [answer(second, code="000000") for _ in range(2)]
    assert codes_of(guesses) == ["wrong_code"] * 5

    clock.advance(seconds=14)
    right = answer(second, code=phone.code(seconds=30))
    assert (right.status_code, right.json()["code"]) == (429, "too_many_attempts")
    assert obtain().status_code == 429
    clock.advance(seconds=1)
    assert answer(second, code=phone.code(seconds=30)).status_code == 200


def test_a_challenge_has_five_attempts(enrol: Enrol, obtain: Obtain, answer: Answer) -> None:
    """Also from five networks, each with limits of its own."""
    phone = enrol()
    challenge = obtain().json()["challenge"]
    for last in range(5):
        guess = answer(challenge, code="000000", client_ip=f"198.51.100.{last}")
        assert guess.json()["code"] == "wrong_code"
    dead = answer(challenge, code=phone.next_code())
    assert (dead.status_code, dead.json()["code"]) == (401, "challenge_not_valid")


def test_a_hundred_wrong_codes_need_a_recovery_code(
    service: Service, enrol: Enrol, obtain: Obtain, answer: Answer
) -> None:
    """Slow guessing from many networks ends too; the owner is not locked out."""
    phone = enrol()
    with service.engine.begin() as connection:
        connection.execute(update(second_factor).values(refused_codes=100))
    locked = answer(obtain().json()["challenge"], code=phone.next_code())
    assert (locked.status_code, locked.json()["code"]) == (403, "second_factor_locked")
    saved = answer(obtain().json()["challenge"], recovery_code=phone.recovery_codes[0])
    assert saved.status_code == 200
    assert answer(obtain().json()["challenge"], code=phone.next_code()).status_code == 200


def test_a_challenge_ends(
    http: httpx.Client, enrol: Enrol, obtain: Obtain, answer: Answer, clock: MovableClock
) -> None:
    """After five minutes, after its log-in, and with a change of the password."""
    phone = enrol()
    challenge = obtain().json()["challenge"]
    clock.advance(minutes=5)
    late = answer(challenge, code=phone.next_code())
    assert late.json()["code"] == "challenge_not_valid"

    challenge = obtain().json()["challenge"]
    assert answer(challenge, code=phone.next_code()).status_code == 200
    used = answer(challenge, code=phone.next_code())
    assert used.json()["code"] == "challenge_not_valid"

    challenge = obtain().json()["challenge"]
    phone.access = answer(obtain().json()["challenge"], code=phone.next_code()).json()["access"]
    changed = http.post(
        "/api/token/password",
        json={"current_password": PASSWORD, "new_password": "a quite new password"},
        headers={"Authorization": f"Bearer {phone.access}"},
    )
    assert changed.status_code == 200
    ended = answer(challenge, code=phone.next_code())
    assert ended.json()["code"] == "challenge_not_valid"


def test_a_challenge_takes_codes_of_its_own_user_only(
    enrol: Enrol, obtain: Obtain, answer: Answer
) -> None:
    """Neither the code nor a recovery code of another user completes it."""
    enrol("ada")
    grace = enrol("grace")
    challenge = obtain("ada").json()["challenge"]
    assert answer(challenge, code=grace.next_code()).json()["code"] == "wrong_code"
    foreign = answer(challenge, recovery_code=grace.recovery_codes[0])
    assert foreign.json()["code"] == "wrong_code"
    assert grace.get(PATH).json()["recovery_codes_left"] == 10


def test_a_wrong_password_does_not_show_a_second_factor(
    enrol: Enrol, obtain: Obtain, add_user: AddUser, answer: Answer
) -> None:
    """Only who knows the password learns that there is one."""
    enrol("ada")
    add_user("grace")
    answers = [obtain(name, "wrong password") for name in ("ada", "grace", "unknown")]
    assert len({(one.status_code, one.text) for one in answers}) == 1
    made_up = answer("no-such-challenge", code="123456")
    assert (made_up.status_code, made_up.json()["code"]) == (401, "challenge_not_valid")


def test_what_is_stored_opens_nothing(service: Service, enrol: Enrol, obtain: Obtain) -> None:
    """Neither secret, recovery codes nor challenges are in the database as they are."""
    phone = enrol()
    challenge = obtain().json()["challenge"]
    with service.engine.connect() as connection:
        rows = [
            str(bytes(value)) if isinstance(value, memoryview) else str(value)
            for table in (second_factor, recovery_code, second_factor_challenge)
            for row in connection.execute(select(table))
            for value in row
        ]
    stored = "\n".join(rows)
    secrets = [phone.secret, challenge, *phone.recovery_codes]
    secrets += [code.replace("-", "") for code in phone.recovery_codes]
    assert [secret for secret in secrets if secret in stored] == []


def test_a_replaced_key_still_decrypts_and_a_used_secret_moves(
    service: Service, enrol: Enrol
) -> None:
    """A leaked key can be replaced without asking everyone to enrol again."""
    enrol()
    with service.engine.connect() as connection:
        user_id = connection.execute(select(second_factor.c.user_id)).scalar_one()
    old, new = "o" * 32, "n" * 32
    encrypted = Protection([old]).encrypt("SECRET", user_id=user_id)
    assert Protection([new, old]).decrypt(encrypted, user_id=user_id) == "SECRET"
    moved = Protection([new, old]).encrypt("SECRET", user_id=user_id)
    assert Protection([new]).decrypt(moved, user_id=user_id) == "SECRET"


def test_housekeeping_deletes_expired_challenges(
    service: Service, enrol: Enrol, obtain: Obtain, clock: MovableClock
) -> None:
    """No table grows forever."""
    enrol()
    obtain()
    clock.advance(minutes=6)
    obtain()
    delete_expired(service.engine, families=service.state.families, clock=clock)
    with service.engine.connect() as connection:
        query = select(func.count()).select_from(second_factor_challenge)
        assert connection.execute(query).scalar_one() == 1


def test_the_audit_log_tells_what_happened(
    service: Service, enrol: Enrol, obtain: Obtain, answer: Answer
) -> None:
    """Staff can see when a second factor was set up, used from paper, refused and disabled."""
    phone = enrol()
    answer(obtain().json()["challenge"], code="000000")
    answer(obtain().json()["challenge"], recovery_code=phone.recovery_codes[0])
    phone.post("recovery-codes", current_password=PASSWORD, code=phone.next_code())
    phone.post("disable", current_password=PASSWORD, code=phone.next_code())
    with service.engine.connect() as connection:
        query = (
            select(audit_event.c.action)
            .where(audit_event.c.action.like("second\\_factor.%"))
            .order_by(audit_event.c.id)
        )
        actions = [row.action.removeprefix("second_factor.") for row in connection.execute(query)]
    assert actions == [
        "enabled",
        "refused",
        "recovery_code_used",
        "recovery_codes_replaced",
        "disabled",
    ]


def test_users_get_a_mail_about_each_change(
    service: Service, enrol: Enrol, obtain: Obtain, answer: Answer, as_billing: httpx.Client
) -> None:
    """An intruder who changes the second factor is noticed."""
    phone = enrol()
    answer(obtain().json()["challenge"], recovery_code=phone.recovery_codes[0])
    phone.post("recovery-codes", current_password=PASSWORD, code=phone.next_code())
    user_id = phone.get("/api/token/me").json()["id"]
    as_billing.delete(f"/internal/users/{user_id}/second-factor")
    with service.engine.connect() as connection:
        query = select(mail_outbox.c.template).order_by(mail_outbox.c.created_at)
        mails = [row.template for row in connection.execute(query)]
    assert mails == [
        "second_factor_added",
        "recovery_code_used",
        "recovery_codes_replaced",
        "second_factor_removed",
    ]


def test_staff_reset_a_lost_second_factor(
    enrol: Enrol, obtain: Obtain, answer: Answer, as_billing: httpx.Client, add_user: AddUser
) -> None:
    """A superuser can, other staff cannot; all sessions and challenges of the account end."""
    phone = enrol()
    user_id = phone.get("/api/token/me").json()["id"]
    path = f"/internal/users/{user_id}/second-factor"
    staff = add_user("staff", is_staff=True)
    superuser = add_user("root", is_staff=True, is_superuser=True)
    challenge = obtain().json()["challenge"]

    refused = as_billing.delete(path, headers={"X-Actor-Id": str(staff.id)})
    assert (refused.status_code, refused.json()["code"]) == (403, "superuser_required")
    done = as_billing.delete(path, headers={"X-Actor-Id": str(superuser.id)})
    assert (done.status_code, done.json()["second_factor_at"]) == (200, None)

    assert phone.get("/api/token/me").status_code == 401
    ended = answer(challenge, code=phone.next_code())
    assert ended.json()["code"] == "challenge_not_valid"
    assert obtain().status_code == 200
    again = as_billing.delete(path, headers={"X-Actor-Id": str(superuser.id)})
    assert again.json()["version"] == done.json()["version"]


def test_billing_leads_a_user_through_the_enrolment(
    as_billing: httpx.Client, obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """The admin shows the waiting secret as often as the page is loaded, until it is confirmed."""
    user = add_user()
    clock.stop()
    path = f"/internal/users/{user.id}/second-factor"
    assert as_billing.get(path).json()["code"] == "enrolment_not_started"
    assert as_billing.post(path).status_code == 204
    shown = as_billing.get(path).json()
    assert shown == as_billing.get(path).json()
    wrong = as_billing.post(f"{path}/confirm", json={"code": "12345"})
    assert (wrong.status_code, list(wrong.json()["errors"])) == (400, ["code"])
    code = pyotp.TOTP(shown["secret"]).at(clock())
    codes = as_billing.post(f"{path}/confirm", json={"code": code}).json()["recovery_codes"]
    assert len(codes) == 10
    assert as_billing.get(path).json()["code"] == "second_factor_active"
    assert as_billing.post(path).json()["code"] == "second_factor_active"
    assert obtain().json()["code"] == "second_factor_required"


def test_a_deleted_user_leaves_no_secret(
    service: Service, enrol: Enrol, obtain: Obtain, as_billing: httpx.Client
) -> None:
    """What proved the second factor is deleted with the account."""
    phone = enrol()
    obtain()
    user_id = phone.get("/api/token/me").json()["id"]
    assert as_billing.delete(f"/internal/users/{user_id}").status_code == 204
    with service.engine.connect() as connection:
        for table in (second_factor, recovery_code, second_factor_challenge):
            count = connection.execute(select(func.count()).select_from(table)).scalar_one()
            assert count == 0, table.name


def test_the_command_resets_a_lost_second_factor(
    environ: dict[str, str], enrol: Enrol, obtain: Obtain
) -> None:
    """Operators help the last superuser, who has no colleague to ask."""
    enrol()
    done = CliRunner().invoke(main, ["users", "reset-second-factor", "ada"], env=environ)
    assert done.exit_code == 0
    assert (
        done.output == "ada has no second factor any more, and the account's tokens are revoked.\n"
    )
    assert obtain().status_code == 200
    unknown = CliRunner().invoke(main, ["users", "reset-second-factor", "eve"], env=environ)
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: There is no user eve.\n")


def test_a_page_gets_the_refresh_token_in_a_cookie(enrol: Enrol, http: httpx.Client) -> None:
    """Where `obtain` asked for it; a page of another site cannot complete the log-in."""
    phone, our_page = enrol(), {"Origin": "http://localhost:8000"}
    body = {"username": "ada", "password": PASSWORD, "refresh_in": "cookie"}

    def complete(page: dict[str, str]) -> httpx.Response:
        asked = http.post("/api/token/obtain", json=body, headers=our_page).json()
        proof = {"challenge": asked["challenge"], "code": phone.next_code()}
        return http.post(PATH, json=proof, headers=page)

    elsewhere, granted = complete({"Origin": "https://evil.example"}), complete(our_page)

    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "cross_site_request")
    assert "set-cookie" not in elsewhere.headers
    assert (granted.status_code, set(granted.json())) == (200, {"access"})
    assert http.post("/api/token/refresh", headers=our_page).status_code == 200


@pytest.mark.parametrize("typed", ["\ud800", "\0", "\u0660" * 6, "ß" * 60])
def test_strange_input_is_refused_in_words(
    enrol: Enrol, obtain: Obtain, http: httpx.Client, typed: str
) -> None:
    """Whatever is sent, the answer is one of the documented refusals."""
    enrol()
    challenge = obtain().json()["challenge"]
    for body in (
        {"challenge": typed, "code": "123456"},
        {"challenge": challenge, "code": typed},
        {"challenge": challenge, "recovery_code": typed},
    ):
        sent = json.dumps(body).encode()
        answer = http.post(PATH, content=sent, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 401, 403}, body
