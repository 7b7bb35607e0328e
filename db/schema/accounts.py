"""The tables of people: accounts, sessions, and what slows guessing down. No password, code or session is on record."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from db.metadata import metadata
from db.types import UtcDateTime

NAME = 64
"""Longest name of an account, in characters."""

account = Table(  # rows are disabled, never removed: who did something stays on record
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME), nullable=False, unique=True),  # in small letters
    Column("display_name", Text, nullable=False),
    Column("roles", Text, nullable=False),  # separated by spaces
    Column("password_hash", Text),  # argon2id; null: signs in elsewhere, or is a program's
    Column("password_is_long", Boolean, nullable=False),  # long enough to stand alone
    Column("password_ends_at", UtcDateTime),  # of an initial one, which has to be replaced at the first sign-in
    Column("password_set_at", UtcDateTime),
    Column("totp_secret", Text),  # of RFC 6238, in base 32; null: no codes are asked for
    Column("totp_step", BigInteger),  # of the last code that was used: none is taken twice
    Column("issuer", Text),  # with the subject: who this is at a provider of OpenID Connect
    Column("subject", Text),
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    Column("signed_in_at", UtcDateTime),
    UniqueConstraint("issuer", "subject", name="uq_account_issuer_subject"),
)

recovery_code = Table(  # each is removed when it is used
    "recovery_code",
    metadata,
    Column("account_id", Integer, ForeignKey("account.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),  # of the code, which has 120 random bits
)

account_session = Table(  # rows are removed when a session ends
    "account_session",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),  # of the cookie's value, which has 256 random bits
    Column("stage", String(16), nullable=False),
    Column("how", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("proved_at", UtcDateTime, nullable=False),  # when they last proved who they are
    Column("address", Text, nullable=False),
    Column("browser", Text, nullable=False),
    Column("totp_offer", Text),  # the secret that a person is about to set up
    Index("ix_account_session_account_id", "account_id"),
)

known_browser = Table(  # in which somebody has signed in before: guessing elsewhere does not lock it out
    "known_browser",
    metadata,
    Column("account_id", Integer, ForeignKey("account.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),  # of its cookie's value, which has 256 random bits
    Column("used_at", UtcDateTime, nullable=False),
)

sign_in_failure = Table(  # for each account, browser and address with failures in a row
    "sign_in_failure",
    metadata,
    Column("key", String(64), primary_key=True),  # a digest of whom or what it is about
    Column("failures", Integer, nullable=False),
    Column("failed_at", UtcDateTime, nullable=False),
    Column("paused_until", UtcDateTime),
)
