"""The first schema of the records."""

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    """Create the tables of empty records."""
    op.create_table(
        "conversations",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False, index=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("conversation", sa.String, sa.ForeignKey("conversations.id"), index=True),
        sa.Column("owner", sa.String, nullable=False, index=True),
        sa.Column("portal", sa.String),
        sa.Column("asked", sa.Float, nullable=False, index=True),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("body", sa.Text),
    )
    op.create_table(
        "answer_articles",
        sa.Column("answer", sa.String, sa.ForeignKey("answers.id"), primary_key=True),
        sa.Column("article", sa.String, primary_key=True, index=True),
    )
    op.create_table(
        "feedback",
        sa.Column("answer", sa.String, sa.ForeignKey("answers.id"), primary_key=True),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("comment", sa.Text),
        sa.Column("given", sa.Float, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False, unique=True),
        sa.Column("rights", sa.Text, nullable=False),
        sa.Column("collections", sa.Text),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("expires", sa.Float),
        sa.Column("used", sa.Float),
    )
    op.create_table(
        "grants",
        sa.Column("principal", sa.String, primary_key=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("collections", sa.Text),
    )
    op.create_table(
        "portals",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("origins", sa.Text, nullable=False),
        sa.Column("collections", sa.Text, nullable=False),
        sa.Column("public_key", sa.Text),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("subject", sa.String, nullable=False, index=True),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("portal", sa.String, index=True),
        sa.Column("expires", sa.Float, nullable=False, index=True),
    )
    op.create_table(
        "spent",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("expires", sa.Float, nullable=False, index=True),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False, index=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("created", sa.Float, nullable=False, index=True),
        sa.Column("finished", sa.Float),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("target", sa.Text),
        sa.Column("address", sa.String),
        sa.Column("request", sa.String),
        sa.Column("allowed", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "replies",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("request", sa.String, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False, index=True),
    )
