"""The records' tables. `app/records/migrations` brings a database to this shape.

They lie beside the catalogue's in one database, so that one backup holds both and an erasure
reaches both. Moments are seconds since 1970, UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData()

conversations = Table(
    "conversations",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

# An answer as it was given; `body` is NULL once something it quotes was erased.
answers = Table(
    "answers",
    metadata,
    Column("id", String, primary_key=True),
    Column("conversation", ForeignKey("conversations.id"), index=True),
    Column("owner", String, nullable=False, index=True),
    Column("portal", String),
    Column("asked", Float, nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("outcome", String, nullable=False),
    Column("body", Text),  # JSON
    Column("context", Text),  # JSON: the page it was asked on, as that page says
)

answer_articles = Table(
    "answer_articles",
    metadata,
    Column("answer", ForeignKey("answers.id"), primary_key=True),
    Column("article", String, primary_key=True, index=True),
)

feedback = Table(
    "feedback",
    metadata,
    Column("answer", ForeignKey("answers.id"), primary_key=True),
    Column("verdict", String, nullable=False),
    Column("reason", String),
    Column("comment", Text),
    Column("given", Float, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False, unique=True),
    Column("rights", Text, nullable=False),  # JSON list
    Column("collections", Text),  # JSON list of ids; NULL: all
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("used", Float),
)

# Who may do what: `principal` is user:NAME, group:NAME or * for whoever is known.
grants = Table(
    "grants",
    metadata,
    Column("principal", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("collections", Text),  # JSON list of ids; NULL: all
)

portals = Table(
    "portals",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("origins", Text, nullable=False),  # JSON list
    Column("collections", Text, nullable=False),  # JSON list of ids
    Column("created", Float, nullable=False),
    Column("groups", Text, nullable=False, server_default="{}"),  # JSON: name → list of ids
    Column("is_public", Boolean, nullable=False, server_default=false()),
    Column("has_login", Boolean, nullable=False, server_default=false()),
    Column("welcome", Text, nullable=False, server_default=""),
    Column("starters", Text, nullable=False, server_default="[]"),  # JSON list
    Column("limit_user", String),
    Column("limit_portal", String),
)

# What a portal's backend signs with; `kid` is also what a secret is derived from.
portal_keys = Table(
    "portal_keys",
    metadata,
    Column("kid", String, primary_key=True),
    Column("portal", ForeignKey("portals.id"), nullable=False, index=True),
    Column("public_key", Text),  # PEM, for ES256; NULL: HS256 with the derived secret
    Column("created", Float, nullable=False),
    Column("expires", Float),
)

sessions = Table(
    "sessions",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("subject", String, nullable=False, index=True),
    Column("groups", Text, nullable=False),  # JSON list
    Column("portal", String, index=True),
    Column("expires", Float, nullable=False, index=True),
    Column("origin", String),  # of the portal's page; NULL: in the chat, or a public frame
    Column("is_framed", Boolean, nullable=False, server_default=false()),
    Column("is_anonymous", Boolean, nullable=False, server_default=false()),
    Column("login", String, index=True),  # sha256 of the web session that it ends with
)

# What may be used once: portal tokens' ids.
spent = Table(
    "spent",
    metadata,
    Column("id", String, primary_key=True),
    Column("expires", Float, nullable=False, index=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("result", Text),  # JSON
    Column("error", Text),
    Column("created", Float, nullable=False, index=True),
    Column("finished", Float),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target", Text),
    Column("address", String),
    Column("request", String),
    Column("allowed", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

# What a write answered, for a client that sends it again.
replies = Table(
    "replies",
    metadata,
    Column("owner", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("request", String, nullable=False),  # sha256 of method, path and body
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Float, nullable=False, index=True),
)
