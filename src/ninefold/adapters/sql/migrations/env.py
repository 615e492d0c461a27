"""Alembic's entry: the migrations run on the connection, and in the transaction, of `ninefold.adapters.sql.migrate`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # Alembic takes SQLite for a database without transactional DDL, because of the driver's own BEGIN, which is off here.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
