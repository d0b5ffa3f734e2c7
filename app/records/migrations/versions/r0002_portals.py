"""Portals with groups, keys that overlap, limits and texts; sessions know where they began."""

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    """Add what portals have learned, and give every portal's key a row of its own."""
    for column in (
        sa.Column("groups", sa.Text, nullable=False, server_default="{}"),
        sa.Column("is_public", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("welcome", sa.Text, nullable=False, server_default=""),
        sa.Column("starters", sa.Text, nullable=False, server_default="[]"),
        sa.Column("limit_user", sa.String),
        sa.Column("limit_portal", sa.String),
    ):
        op.add_column("portals", column)
    op.create_table(
        "portal_keys",
        sa.Column("kid", sa.String, primary_key=True),
        sa.Column("portal", sa.String, sa.ForeignKey("portals.id"), nullable=False, index=True),
        sa.Column("public_key", sa.Text),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("expires", sa.Float),
    )
    # A key's secret is derived from its id; that of a portal so far, from the portal's.
    op.execute(
        "INSERT INTO portal_keys (kid, portal, public_key, created) "
        "SELECT id, id, public_key, created FROM portals"
    )
    op.drop_column("portals", "public_key")
    op.execute("DELETE FROM sessions WHERE portal IS NOT NULL")  # it is unknown where they began
    op.add_column("sessions", sa.Column("origin", sa.String))
    op.add_column(
        "sessions",
        sa.Column("is_framed", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "sessions",
        sa.Column("is_anonymous", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column("answers", sa.Column("context", sa.Text))
