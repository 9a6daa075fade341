"""Settings: for an invalid variable there is one sentence that names it."""

import os
import subprocess
import sys

import pytest

from auth_service.settings import Settings, SettingsError, load_settings

DATABASE = {"AUTH_DATABASE_URL": "postgresql://auth:top-secret@db/auth"}
SECRET = {
    "AUTH_INTERNAL_CLIENT_SECRET": "0123456789abcdef0123456789abcdef",
    "SECOND_FACTOR_KEY": "fedcba9876543210fedcba9876543210",
}


def test_a_laptop_needs_only_the_database() -> None:
    """Everything else has a default in `local`."""
    settings = load_settings(DATABASE)

    assert settings.is_local
    assert settings.issuer == settings.public_url == "http://localhost:8000"
    assert settings.access_token_lifetime_seconds == 300
    assert settings.refresh_token_lifetime_seconds == 86_400
    assert settings.refresh_family_lifetime_seconds == 30 * 86_400


def test_empty_variables_count_as_not_set() -> None:
    """Compose passes unset variables as empty ones."""
    assert load_settings(DATABASE | {"APP_NAME": "", "KEYS_PASSPHRASE_FILE": ""}) == load_settings(
        DATABASE
    )


def test_the_issuer_is_kept_as_it_is_written() -> None:
    """Verifiers compare it character by character."""
    settings = load_settings(DATABASE | {"TOKEN_ISSUER": "https://issuer.example/"})
    assert settings.issuer == "https://issuer.example/"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "AUTH_DATABASE_URL"),
        ({"AUTH_DATABASE_URL": "mysql://x"}, "AUTH_DATABASE_URL"),
        ({"AUTH_DATABASE_URL": "top-secret"}, "AUTH_DATABASE_URL"),
        (
            SECRET
            | {
                "ENVIRONMENT": "production",
                "AUTH_DATABASE_URL": "postgresql://auth:local-only-top-secret@db/auth",
            },
            "AUTH_DATABASE_URL",
        ),
        (DATABASE | {"ENVIRONMENT": "prod"}, "ENVIRONMENT"),
        (DATABASE | {"PUBLIC_URL": "localhost:8000"}, "PUBLIC_URL"),
        (DATABASE | {"PUBLIC_URL": "http://localhost:8000/"}, "PUBLIC_URL"),
        (DATABASE | {"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        (
            DATABASE | {"ACCESS_TOKEN_LIFETIME_SECONDS": "5 minutes"},
            "ACCESS_TOKEN_LIFETIME_SECONDS",
        ),
        (DATABASE | {"ACCESS_TOKEN_LIFETIME_SECONDS": "0"}, "ACCESS_TOKEN_LIFETIME_SECONDS"),
        (DATABASE | {"ACCESS_TOKEN_LIFETIME_SECONDS": "3601"}, "ACCESS_TOKEN_LIFETIME_SECONDS"),
        (DATABASE | {"REFRESH_REPLAY_GRACE_SECONDS": "-1"}, "REFRESH_REPLAY_GRACE_SECONDS"),
        (DATABASE | {"REFRESH_FAMILY_LIFETIME_SECONDS": "60"}, "REFRESH_FAMILY_LIFETIME_SECONDS"),
        (DATABASE | {"TOKEN_AUDIENCES": "billing-service"}, "TOKEN_AUDIENCES"),
        (DATABASE | {"AUTH_WORKERS": "two"}, "AUTH_WORKERS"),
        (DATABASE | {"AUDIT_RETENTION_DAYS": "0"}, "AUDIT_RETENTION_DAYS"),
        (DATABASE | {"AUDIT_LOGIN_RETENTION_DAYS": "99999"}, "AUDIT_LOGIN_RETENTION_DAYS"),
        *(
            (DATABASE | {"ALLOWED_ORIGINS": origins}, "ALLOWED_ORIGINS")
            for origins in (
                "*",
                "null",
                "app.example.com",
                "https://app.example.com/",
                "https://app.example.com:443",
                "https://App.example.com",
                "https://user@app.example.com",
                "https://app.example.com:port",
                "https://app.example.com,*",
            )
        ),
        (DATABASE | {"ENVIRONMENT": "production"}, "AUTH_INTERNAL_CLIENT_SECRET"),
        (
            DATABASE | {"ENVIRONMENT": "staging", "AUTH_INTERNAL_CLIENT_SECRET": "short"},
            "AUTH_INTERNAL_CLIENT_SECRET",
        ),
        (
            DATABASE
            | {
                "ENVIRONMENT": "production",
                "AUTH_INTERNAL_CLIENT_SECRET": "local-demo-secret-of-billing-service",
            },
            "AUTH_INTERNAL_CLIENT_SECRET",
        ),
        (
            DATABASE | SECRET | {"ENVIRONMENT": "staging", "SECOND_FACTOR_KEY": ""},
            "SECOND_FACTOR_KEY",
        ),
        (
            DATABASE
            | SECRET
            | {"ENVIRONMENT": "staging", "SECOND_FACTOR_KEY": f"{'n' * 32},top-secret"},
            "SECOND_FACTOR_KEY",
        ),
        (
            DATABASE
            | SECRET
            | {
                "ENVIRONMENT": "production",
                "SECOND_FACTOR_KEY": "local-only-second-factor-key-never-use-it-elsewhere",
            },
            "SECOND_FACTOR_KEY",
        ),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], name: str) -> None:
    """One sentence that starts with the variable and repeats no secret."""
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)

    assert str(caught.value).startswith(f"{name} ")
    assert str(caught.value).endswith(".")
    assert "top-secret" not in str(caught.value)


@pytest.mark.parametrize("command", ["serve", "migrate", "users list"])
def test_the_process_stops_with_the_sentence(command: str) -> None:
    """Exit code 2, one line, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "auth_service", *command.split()],
        env={"PATH": os.environ["PATH"], "ENVIRONMENT": "nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "Error: ENVIRONMENT must be local, staging or production.\n"


def test_production_starts_with_a_real_secret() -> None:
    """A random secret is accepted."""
    settings: Settings = load_settings(DATABASE | SECRET | {"ENVIRONMENT": "production"})
    assert not settings.is_local


def load(**variables: str) -> Settings:
    """Read settings of a laptop, and what differs from them."""
    return load_settings(DATABASE | variables)


def test_mail_settings_are_read() -> None:
    """Host, port, account and kind of TLS are in one address."""
    sender = {"MAIL_FROM": "Example <no-reply@example.org>"}
    started = load(SMTP_URL="smtp://us%40example.org:p%2Fw@mail.example.org", **sender).smtp
    implicit = load(SMTP_URL="smtps://mail.example.org", **sender).smtp
    plain = load(SMTP_URL="smtp+plaintext://127.0.0.1:2525", **sender).smtp

    assert started
    assert (started.username, started.password) == ("us@example.org", "p/w")
    assert (started.port, started.start_tls, started.implicit_tls) == (587, True, False)
    assert "p/w" not in repr(started)
    assert implicit
    assert (implicit.port, implicit.start_tls, implicit.implicit_tls) == (465, False, True)
    assert plain
    assert (plain.port, plain.start_tls, plain.implicit_tls) == (2525, False, False)
    assert load().smtp is None


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SMTP_URL": "mail.example.org"}, "SMTP_URL"),
        ({"SMTP_URL": "http://mail.example.org"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://mail.example.org:x"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp+plaintext://us:secret@mail.example.org"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://mail.example.org"}, "MAIL_FROM"),
        ({"MAIL_FROM": "no address"}, "MAIL_FROM"),
        ({"MAIL_FROM": "a@example.org, b@example.org"}, "MAIL_FROM"),
        ({"SIGNUP": "yes"}, "SIGNUP"),
        ({"APP_NAME": "two\nlines"}, "APP_NAME"),
        ({"ACCOUNT_PAGES_URL": "app.example.org/account"}, "ACCOUNT_PAGES_URL"),
    ],
)
def test_wrong_mail_settings_are_one_sentence(variables: dict[str, str], named: str) -> None:
    """It names the variable and repeats no password."""
    with pytest.raises(SettingsError, match=f"^{named} ") as refused:
        load(**variables)
    assert "secret" not in str(refused.value)


def test_sign_up_needs_mail_outside_local() -> None:
    """Otherwise no one would ever get the link."""
    production = SECRET | {"ENVIRONMENT": "production"}
    with pytest.raises(SettingsError, match=r"^SIGNUP .*SMTP_URL"):
        load(SIGNUP="open", **production)
    mail = {"SMTP_URL": "smtp://mail.example.org", "MAIL_FROM": "no-reply@example.org"}
    assert load(SIGNUP="open", **production, **mail).has_mail
    assert not load(**production).has_mail
