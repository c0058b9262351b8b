"""Of which PostgreSQL cluster the ids of transactions are that stand in `arrived` (see queries.live).

A dump that is restored elsewhere brings rows with ids that the new cluster has not come to yet: they would arrive once
more when it does. So whoever migrates looks whether the cluster is still the same; if not, all that came so far came
before everything, and cursors given out before are refused.
"""

from sqlalchemy import Connection, text

from analytics.storage.partitions import make_partitions
from analytics.storage.tables import ledger, metadata
from kith.tables import Xid8

_HERE = text("SELECT system_identifier::text FROM pg_control_system()")
_BEFORE_ALL = "'1'::xid8"


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
    connection.execute(text("DELETE FROM live_epoch; TRUNCATE arrivals"))
    # Of the ledger the column itself is exchanged, which touches no row.
    connection.execute(
        text(
            "ALTER TABLE ledger DROP COLUMN arrived; ALTER TABLE ledger ADD COLUMN arrived xid8; "
            "ALTER TABLE ledger ALTER COLUMN arrived SET DEFAULT pg_current_xact_id()"
        )
    )
    for table in metadata.tables.values():
        if table is not ledger and isinstance(table.c.get("arrived", table.c[0]).type, Xid8):
            connection.execute(text(f"UPDATE {table.name} SET arrived = {_BEFORE_ALL}"))  # noqa: S608 - declared names
