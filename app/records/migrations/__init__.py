"""Alembic's steps from one catalogue schema to the next."""
