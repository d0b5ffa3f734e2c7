"""Portals whose users log in at the provider; their sessions end with the login."""

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    """Add what says so."""
    op.add_column(
        "portals", sa.Column("has_login", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column("sessions", sa.Column("login", sa.String))
    op.create_index("ix_sessions_login", "sessions", ["login"])
