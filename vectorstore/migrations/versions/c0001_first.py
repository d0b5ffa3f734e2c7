"""The first catalogue schema."""

import sqlalchemy as sa
from alembic import op

revision = "c0001"
down_revision = None


def upgrade() -> None:
    """Create the tables of an empty catalogue."""
    op.create_table(
        "facts",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "collections",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
    )
    op.create_table(
        "articles",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("collection_id", sa.String, sa.ForeignKey("collections.id"), nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("current", sa.Integer, nullable=True),
        sa.UniqueConstraint("collection_id", "uri"),
    )
    op.create_table(
        "versions",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column(
            "article_id", sa.String, sa.ForeignKey("articles.id"), nullable=False, index=True
        ),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("source_sha256", sa.String, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("authors", sa.Text, nullable=False),
        sa.Column("published", sa.Date, index=True),
        sa.Column("modified", sa.Date),
        sa.Column("language", sa.String),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('staged', 'current', 'superseded')", name="state_is_known"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "chunks",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column(
            "article_id", sa.String, sa.ForeignKey("articles.id"), nullable=False, index=True
        ),
        sa.Column("embedding", sa.LargeBinary, nullable=False),
        sa.Column("sentence_vectors", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "placements",
        sa.Column("version", sa.Integer, sa.ForeignKey("versions.number"), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("chunk", sa.Integer, sa.ForeignKey("chunks.number"), nullable=False),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("end", sa.Integer, nullable=False),
        sa.Column("sentences", sa.Text, nullable=False),
        sa.Index("placements_by_chunk", "chunk"),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("chunk", sa.Integer, nullable=False),
        sa.Column("collection_id", sa.String, nullable=False),
        sa.CheckConstraint("action IN ('add', 'remove')", name="action_is_known"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "followers",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
    )
