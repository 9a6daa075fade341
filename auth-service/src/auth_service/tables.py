"""The tables of this service's database."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_moment = DateTime(timezone=True)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("username", String(150), nullable=False),
    # The folded username (`usernames.py`).
    Column("username_key", Text, nullable=False),
    # What a new username is compared by (`usernames.py`); null until it was computed.
    Column("username_skeleton", Text),
    Column("email", String(254), nullable=False, server_default=""),
    # When its user opened a link that was sent to it; None after the address has changed.
    Column("email_verified_at", _moment),
    Column("password_hash", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("is_staff", Boolean, nullable=False),
    Column("is_superuser", Boolean, nullable=False),
    # Part of every token; raising it revokes all tokens of the user.
    Column("auth_epoch", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("updated_at", _moment, nullable=False),
    Column("last_login_at", _moment),
    # A deleted account stays as a row without personal data, so that the feed can report it.
    Column("deleted_at", _moment),
    Column("change_seq", BigInteger, nullable=False, unique=True),
    # When the second factor was confirmed; null while the password alone is enough.
    Column("second_factor_at", _moment),
    CheckConstraint("deleted_at IS NULL OR NOT is_active", name="deleted_users_are_inactive"),
    postgresql_with={"fillfactor": "80"},
)
Index(
    "users_username_key",
    users.c.username_key,
    unique=True,
    postgresql_where=users.c.deleted_at.is_(None),
)
Index("users_username_skeleton", users.c.username_skeleton)
# Staff may give several accounts one address; only one of them can verify it.
Index(
    "users_verified_email",
    func.lower(users.c.email),
    unique=True,
    postgresql_where=text("email_verified_at IS NOT NULL AND deleted_at IS NULL"),
)
Index(
    "users_email",
    func.lower(users.c.email),
    postgresql_where=text("email <> '' AND deleted_at IS NULL"),
)
Index(
    "users_active_superusers",
    users.c.id,
    postgresql_where=text("is_superuser AND is_active"),
)

# One row. Its lock is held until the commit, so positions become visible in their own order:
# no position appears behind one that a reader has already seen.
feed_position = Table(
    "feed_position",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("seq", BigInteger, nullable=False),
    CheckConstraint("single", name="feed_position_has_one_row"),
)

# One row a family. The head is its only unused token, so a refresh updates one row. The last
# used tokens are kept for the replay grace.
refresh_family = Table(
    "refresh_family",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("head_jti", Uuid, nullable=False),
    Column("head_iat", BigInteger, nullable=False),
    Column("head_exp", BigInteger, nullable=False),
    Column("consumed_jtis", ARRAY(Uuid), nullable=False, server_default="{}"),
    Column("consumed_at", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("absolute_exp", BigInteger, nullable=False),
    Column("revoked_at", _moment),
    Column("revoked_reason", Text),
    # The services that its access tokens can be for; null stands for TOKEN_DEFAULT_AUDIENCES.
    Column("audience", ARRAY(Text)),
    # Of the log-in. Empty in families that an earlier release started.
    Column("created_at", _moment),
    Column("user_agent", Text),
    Column("client_ip", Text),
    # Leaves room on the page for the row's next version, so that a refresh updates no index.
    postgresql_with={"fillfactor": "50"},
)
# A refresh changes none of its columns, so it stays a change of one page.
Index(
    "refresh_family_live",
    refresh_family.c.user_id,
    postgresql_where=refresh_family.c.revoked_at.is_(None),
)

# What proves the second factor. A row of a user without `second_factor_at` is not confirmed yet.
second_factor = Table(
    "second_factor",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    # Encrypted (`second_factor/protection.py`).
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("last_used_at", _moment),
    # The time step of the last code that was accepted: no code is accepted twice (RFC 6238 §5.2).
    Column("last_step", BigInteger, nullable=False, server_default="0"),
    # Codes refused in a row.
    Column("refused_codes", Integer, nullable=False, server_default="0"),
)

# A used code is deleted.
recovery_code = Table(
    "recovery_code",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
)

# A log-in whose password was right and whose second factor is missing.
second_factor_challenge = Table(
    "second_factor_challenge",
    metadata,
    # Of the challenge, which only the client has.
    Column("digest", LargeBinary, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("auth_epoch", Integer, nullable=False),
    # What the client asked for at obtain, such as the audience.
    Column("options", JSONB, nullable=False, server_default="{}"),
    Column("tries_left", Integer, nullable=False),
    Column("expires_at", _moment, nullable=False),
)
Index("second_factor_challenge_expires_at", second_factor_challenge.c.expires_at)

throttle_bucket = Table(
    "throttle_bucket",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", _moment, nullable=False),
    Column("expires_at", _moment, nullable=False),
    postgresql_with={"fillfactor": "80"},
)
Index("throttle_bucket_expires_at", throttle_bucket.c.expires_at)

known_source = Table(
    "known_source",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("last_success_at", _moment, nullable=False),
)
Index("known_source_last_success_at", known_source.c.last_success_at)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    Column("response", JSONB, nullable=False),
    Column("created_at", _moment, nullable=False),
)
Index("idempotency_key_created_at", idempotency_key.c.created_at)

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", _moment, nullable=False),
    Column("actor_id", Uuid),
    Column("source", Text, nullable=False),
    Column("action", Text, nullable=False),
    # Not a foreign key: the log outlives the account.
    Column("user_id", Uuid),
    Column("detail", JSONB, nullable=False),
)
Index("audit_event_user_id", audit_event.c.user_id, audit_event.c.id)
Index("audit_event_at", audit_event.c.at)
Index("audit_event_action", audit_event.c.action, audit_event.c.id)
Index("audit_event_actor_id", audit_event.c.actor_id, audit_event.c.id)
Index("audit_event_source", audit_event.c.source, audit_event.c.id)

# What a link in a mail is good for. The token itself is stored nowhere: it is derived from the id
# with a secret of the service when the mail is sent.
one_time_token = Table(
    "one_time_token",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("purpose", Text, nullable=False),
    # None before there is an account.
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    # The user's `auth_epoch`: a token ends with the sessions that existed when it was issued.
    Column("auth_epoch", Integer),
    # Where the mail goes, which for a change of the address is the new one.
    Column("email", String(254), nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("expires_at", _moment, nullable=False),
    Column("used_at", _moment),
)
Index("one_time_token_user_id", one_time_token.c.user_id)
Index("one_time_token_email", func.lower(one_time_token.c.email))
Index("one_time_token_expires_at", one_time_token.c.expires_at)

# Mails, written in the transaction of what they report and sent by the worker. A row is due at
# `next_attempt_at`, which is None once the mail is sent or was given up.
mail_outbox = Table(
    "mail_outbox",
    metadata,
    # Also the Message-ID, so that a repeated mail is recognized as the same one.
    Column("id", Uuid, primary_key=True),
    Column("template", Text, nullable=False),
    Column("recipient", String(254), nullable=False),
    Column("context", JSONB, nullable=False),
    Column("user_id", Uuid),
    Column("token_id", Uuid),
    Column("created_at", _moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", _moment),
    Column("sent_at", _moment),
    Column("last_error", Text),
    postgresql_with={"fillfactor": "80"},
)
Index(
    "mail_outbox_next_attempt_at",
    mail_outbox.c.next_attempt_at,
    postgresql_where=mail_outbox.c.next_attempt_at.is_not(None),
)
Index("mail_outbox_created_at", mail_outbox.c.created_at)

# What people asked for by mail, before anything was looked up: the worker decides which mails
# follow, so the request takes the same time for known and unknown addresses.
account_request = Table(
    "account_request",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("email", String(254), nullable=False),
    Column("user_id", Uuid),
    Column("created_at", _moment, nullable=False),
)
