"""The catalogue's tables. `vectorstore/migrations` brings a database to this shape."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# What the store remembers about itself: fingerprint, generation of the dense index, …
facts = Table(
    "facts",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)

collections = Table(
    "collections",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
)

# `current` is the version readers see; it is set in one transaction: the moment of publication.
articles = Table(
    "articles",
    metadata,
    Column("id", String, primary_key=True),
    Column("collection_id", ForeignKey("collections.id"), nullable=False),
    Column("uri", Text, nullable=False),
    Column("source", Text, nullable=False),  # the folder or file it came from
    # versions.number; NULL before and after its time
    Column("current", Integer, nullable=True, index=True),
    UniqueConstraint("collection_id", "uri"),
)

versions = Table(
    "versions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("article_id", ForeignKey("articles.id"), nullable=False, index=True),
    Column("state", String, nullable=False, index=True),
    Column("source_sha256", String, nullable=False),  # of the bytes it was read from
    Column("title", Text, nullable=False),
    Column("url", Text),
    Column("authors", Text, nullable=False),  # JSON list
    Column("published", Date, index=True),
    Column("modified", Date),
    Column("language", String),
    Column("sha256", String, nullable=False),
    Column("text", Text, nullable=False),
    CheckConstraint("state IN ('staged', 'current', 'superseded')", name="state_is_known"),
    sqlite_autoincrement=True,
)

# A chunk outlives a version when the next one has it too, only elsewhere in the text.
chunks = Table(
    "chunks",
    metadata,
    Column("number", Integer, primary_key=True),  # the chunk's id in both indexes, never reused
    Column("id", String, nullable=False, unique=True),
    Column("article_id", ForeignKey("articles.id"), nullable=False, index=True),
    sqlite_autoincrement=True,
)

# Each encoder under which chunks are embedded: one, and a second while a rebuild changes it.
encoders = Table(
    "encoders",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("fingerprint", String, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

# Apart from the sentences' vectors, so that reading all of these reads nothing else.
embeddings = Table(
    "embeddings",
    metadata,
    Column("encoder", ForeignKey("encoders.number"), primary_key=True),
    Column("chunk", ForeignKey("chunks.number"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32
    Index("embeddings_by_chunk", "chunk"),
)

sentence_embeddings = Table(
    "sentence_embeddings",
    metadata,
    Column("encoder", ForeignKey("encoders.number"), primary_key=True),
    Column("chunk", ForeignKey("chunks.number"), primary_key=True),
    Column("vectors", LargeBinary, nullable=False),  # float16, one row a sentence
    Index("sentence_embeddings_by_chunk", "chunk"),
)

placements = Table(
    "placements",
    metadata,
    Column("version", ForeignKey("versions.number"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("chunk", ForeignKey("chunks.number"), nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("sentences", Text, nullable=False),  # JSON [[start, end], …], offsets in the article
    Index("placements_by_chunk", "chunk"),
)

# What the indexes still have to apply, in order; each follower remembers how far it came.
outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("action", String, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("collection_id", String, nullable=False),
    CheckConstraint("action IN ('add', 'remove')", name="action_is_known"),
    sqlite_autoincrement=True,
)

followers = Table(
    "followers",
    metadata,
    Column("name", String, primary_key=True),
    Column("seq", Integer, nullable=False),
)
