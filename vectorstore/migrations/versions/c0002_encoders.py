"""Embeddings move into tables of their own, one set an encoder."""

import sqlalchemy as sa
from alembic import op

revision = "c0002"
down_revision = "c0001"


def upgrade() -> None:
    """Create the tables, move the vectors, and have both indexes built anew."""
    op.create_table(
        "encoders",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("fingerprint", sa.String, nullable=False, unique=True),
        sqlite_autoincrement=True,
    )
    for table, column in (("embeddings", "vector"), ("sentence_embeddings", "vectors")):
        op.create_table(
            table,
            sa.Column("encoder", sa.Integer, sa.ForeignKey("encoders.number"), primary_key=True),
            sa.Column("chunk", sa.Integer, sa.ForeignKey("chunks.number"), primary_key=True),
            sa.Column(column, sa.LargeBinary, nullable=False),
            sa.Index(f"{table}_by_chunk", "chunk"),
        )
    op.execute("INSERT INTO encoders (fingerprint) SELECT value FROM facts WHERE key = 'encoder'")
    for table, column, old in (
        ("embeddings", "vector", "embedding"),
        ("sentence_embeddings", "vectors", "sentence_vectors"),
    ):
        op.execute(
            f"INSERT INTO {table} (encoder, chunk, {column}) "  # noqa: S608 (names from above)
            f"SELECT encoders.number, chunks.number, chunks.{old} FROM chunks, encoders"
        )
        op.execute(f"ALTER TABLE chunks DROP COLUMN {old}")
    op.create_index("ix_articles_current", "articles", ["current"])
    op.execute("DELETE FROM facts WHERE key IN ('dense_generation', 'lexical_built', 'generation')")
    op.execute("DELETE FROM followers")
