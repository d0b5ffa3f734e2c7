"""Alembic's entry: runs the steps on the connection that the catalogue hands over."""

from alembic import context

from vectorstore.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="catalogue_schema",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
