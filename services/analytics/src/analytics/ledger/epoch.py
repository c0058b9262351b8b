"""The PostgreSQL cluster that the transaction ids in `arrived` belong to (see live.reads).

A dump that is restored elsewhere brings rows with ids that the new cluster has not reached yet: they would arrive a
second time when it does. So the migration checks whether the cluster is still the same; if not, all rows so far are
dated before everything, and cursors given out before are refused.
"""

from sqlalchemy import Connection, text

from analytics.ledger.partitions import make_partitions
from analytics.ledger.tables import arrivals, ledger
from analytics.tables import metadata
from kith.db.tenancy import WORKER_ROLE

_HERE = text("SELECT system_identifier::text FROM pg_control_system()")


def after_migrations(connection: Connection) -> None:
    make_partitions(connection)
    keep_epoch(connection)


def keep_epoch(connection: Connection) -> None:
    here = connection.execute(_HERE).scalar_one()
    known = connection.execute(text("SELECT system_identifier FROM live_epoch")).scalar_one_or_none()
    if known == here:
        return
    if known is not None:
        _forget(connection)
    connection.execute(
        text("INSERT INTO live_epoch (epoch, system_identifier) VALUES (gen_random_uuid(), :here)"), {"here": here}
    )


def _forget(connection: Connection) -> None:
    for statement in (*_FORGOTTEN, f"SET LOCAL ROLE {WORKER_ROLE}"):  # the table's owner sees no tenant's rows
        connection.execute(text(statement))
    for table in metadata.tables.values():
        if table not in (ledger, arrivals) and "arrived" in table.c:
            connection.execute(text(f"UPDATE {table.name} SET arrived = {_BEFORE_ALL}"))  # noqa: S608 - declared names
    connection.execute(text("RESET ROLE"))


_BEFORE_ALL = "'1'::xid8"
_FORGOTTEN = (
    "DELETE FROM live_epoch",
    "TRUNCATE arrivals",
    # In the ledger the column itself is replaced, which touches no row.
    "ALTER TABLE ledger DROP COLUMN arrived",
    "ALTER TABLE ledger ADD COLUMN arrived xid8",
    "ALTER TABLE ledger ALTER COLUMN arrived SET DEFAULT pg_current_xact_id()",
)
