"""Alembic's entry: runs the steps on the connection that `vectorstore.database` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["table"],
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
