"""Creates a record in one statement, with its event: what is created most is created so (Form.insert_only)."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    ScalarSelect,
    Table,
    Text,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from kith.custom.tables import DEFINITIONS
from kith.db.statements import Statement
from kith.db.tables import Moment, columns_in_use
from kith.db.tenancy import TENANT_SETTING
from kith.events.event import Event
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import CLOCK_SKEW
from kith.nouns.resource import Resource
from kith.nouns.unconfirmed import TABLE as UNCONFIRMED
from kith.nouns.unconfirmed import OnSight
from kith.nouns.unit_of_work import EVENT_COLUMNS, encoded, outbox_row
from kith.runtime.telemetry import current_traceparent


async def append(
    connection: AsyncConnection,
    tenant: str,
    resource: Resource,
    outbox: Table,
    aggregate: Aggregate,
    event: Event,
    *,
    actor: str,
    occurred_at: datetime | None,
    blinded: str | None = None,
) -> datetime | None:
    """Writes a new row and its event in one statement, which is a transaction of its own. Returns when it was recorded;
    None, with nothing written, if its external id is taken, blinded or not, its time is in the future, or the tenant
    has fields of such records. Raises PostgresError."""
    aggregate.version += 1
    row = {"tenant_id": tenant} | {name: getattr(aggregate, name) for name in resource.attributes}
    row = encoded(resource, row)
    values = {f"row_{name}": value for name, value in row.items()} | {
        f"event_{name}": value
        for name, value in outbox_row(tenant, aggregate, event, actor, current_traceparent()).items()
    }
    values |= {"setting": tenant, "occurred_at": occurred_at}
    noun = resource.name if resource.is_customisable else None
    told, named = tuple(resource.told.items()), blinded is not None
    values |= {"blinded": blinded} if named else {}
    statement = append_one(resource.table, outbox, resource.on_sight, told, noun, named=named)
    written = await statement.fetch(connection, values)
    if not written:
        return None
    aggregate.created_at = aggregate.updated_at = written[0]["time"]
    for name in resource.told:
        setattr(aggregate, name, written[0][name])
        setattr(aggregate, f"told_{name}", written[0][f"told_{name}"])
    recorded_at: datetime = written[0]["recorded_at"]
    return recorded_at


@cache
def append_one(
    table: Table,
    outbox: Table,
    on_sight: tuple[OnSight, ...] = (),
    told: tuple[tuple[str, Table], ...] = (),
    customisable: str | None = None,
    *,
    named: bool = False,
) -> Statement:
    """Returns the statement of both inserts, and of what is noted of records named on sight. They select from the query
    that sets the tenant and reads the clock (after the transaction's id, see kith.db.connections), so they run after
    it; row-level security checks each row as it is inserted. A noun that is `customisable` is so by its name; a row is
    `named` by an external id."""
    setting = func.set_config(literal_column(f"'{TENANT_SETTING}'"), bindparam("setting", type_=Text), true()).label(
        "tenant"
    )
    now = func.clock_timestamp(type_=Moment).label("now")
    begun = select(setting, func.pg_current_xact_id(), now).cte("begun").prefix_with("MATERIALIZED")
    occurred_at = bindparam("occurred_at", type_=Moment)
    at = func.least(occurred_at, begun.c.now, type_=Moment)  # the same rule as Input.happened_at
    latest = begun.c.now + literal_column(f"interval '{CLOCK_SKEW.total_seconds()} seconds'")
    of_row = {column.name: bindparam(f"row_{column.name}", type_=column.type) for column in columns_in_use(table)}
    # Scalar subqueries that need the tenant of `begun` run after it, which a join does not have to.
    remains = {name: _survivor(customers, of_row[name], begun).label(name) for name, customers in told}
    resolved = select(begun.c.now.label("resolved_at"), *remains.values()).cte("resolved").prefix_with("MATERIALIZED")
    of_told: dict[str, Any] = {name: func.coalesce(resolved.c[name], of_row[name]) for name in remains}
    of_told |= {f"told_{name}": case((resolved.c[name].is_not(None), of_row[name])) for name in remains}
    source = begun.join(resolved, true()) if remains else begun
    row = (
        postgresql.insert(table)
        .from_select(
            list(of_row),
            select(*(of_row | of_told | {"created_at": at, "updated_at": at, "recorded_at": begun.c.now}).values())
            .select_from(source)
            .where(
                func.coalesce(occurred_at, begun.c.now) <= latest,
                _has_no_fields(customisable, begun),
                _is_new(table, begun, named),
            ),
        )
        .on_conflict_do_nothing()
        .returning(table.c.created_at, *(table.c[name] for name in of_told))
        .cte("row")
    )
    of_event = {name: bindparam(f"event_{name}", type_=outbox.c[name].type) for name in EVENT_COLUMNS}
    event = insert(outbox).from_select(
        list(of_event),
        select(*(of_event | {"time": row.c.created_at, "recorded_at": begun.c.now}).values()).select_from(
            row.join(begun, true())
        ),
    )
    for each in on_sight:
        event = event.add_cte(_noted(each, of_row, begun, row).cte(f"noted_{each.field}"))
    shown = (select(row.c[name]).scalar_subquery().label(name) for name in of_told)
    return Statement(event.returning(outbox.c.time, outbox.c.recorded_at, *shown))


def _is_new(table: Table, begun: CTE, named: bool) -> ColumnElement[bool]:
    """Whether no record had the external id until it was erased. Rows that have it are no matter of this."""
    blinded = bindparam("blinded", type_=Text)
    return ~exists().where(table.c.tenant_id == begun.c.tenant, table.c.external_id == blinded) if named else true()


def _has_no_fields(noun: str | None, begun: CTE) -> ColumnElement[bool]:
    c = DEFINITIONS.c
    if noun is None:
        return true()
    return ~exists().where(
        c.tenant_id == begun.c.tenant, c.of_noun == literal_column(f"'{noun}'"), c.swept_at.is_(None)
    )


def _survivor(customers: Table, id: Any, begun: CTE) -> ScalarSelect[Any]:
    c = customers.c
    return select(c.merged_into).where(c.tenant_id == begun.c.tenant, c.id == id).scalar_subquery()


def _noted(given: OnSight, of_row: Mapping[str, Any], begun: CTE, row: CTE) -> ReturningInsert[Any]:
    """Returns the insert that notes the record that a new row names, if it is not known."""
    ids, named = given.known, of_row[given.field]
    known = select(ids).where(ids.table.c.tenant_id == begun.c.tenant, ids == named).scalar_subquery()
    values = {
        "tenant_id": of_row["tenant_id"],
        "noun": literal_column(f"'{given.noun}'"),
        "id": named,
        "named_by": literal_column(f"'{given.named_by}'"),
        "record_id": of_row["id"],
        "noted_at": begun.c.now,
    }
    rows = select(*values.values()).select_from(row.join(begun, true())).where(named.is_not(None), known.is_(None))
    noting = postgresql.insert(UNCONFIRMED).from_select(list(values), rows).on_conflict_do_nothing()
    return noting.returning(UNCONFIRMED.c.id)
