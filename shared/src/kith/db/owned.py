"""Whose the rows of a table are: those of the user whom a column of theirs names, or of the owner of the customer that
it names. Statements for an actor with a limited reach have it as a condition."""

from typing import Any, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, FromClause, Table, Uuid, any_, bindparam, exists, func, true

_OWNED = "owned"
"""The key in a table's `info`."""
PARAMETER = "reach"
"""The parameter with the ids of the users within reach."""
_OWNERS: Any = bindparam(PARAMETER, type_=ARRAY(Uuid))


class Owned(NamedTuple):
    column: str
    through: Table | None
    """The table of the customers that the column names. None: it names users."""


def owned_by(table: Table, column: str) -> Table:
    """Says that the rows of a table are those of the users that the column names, and returns the table."""
    return _say(table, Owned(column, None))


def owned_through(table: Table, customers: Table, column: str = "customer_id") -> Table:
    """Says that the rows of a table are the owner's of the customer that the column names, and returns the table."""
    return _say(table, Owned(column, customers))


def _say(table: Table, owned: Owned) -> Table:
    table.info[_OWNED] = owned
    return table


def ownership(table: Table) -> Owned | None:
    found: Owned | None = table.info.get(_OWNED)
    return found


def within(table: Table, rows: FromClause | None = None, owners: Any = _OWNERS) -> ColumnElement[bool]:
    """Returns the condition of the rows of a table, or of an alias of it, that are within a limited reach. All rows
    are of a table that nobody owns."""
    rows, owned = table if rows is None else rows, ownership(table)
    if owned is None:
        return true()
    if owned.through is None:
        return rows.c[owned.column] == any_(owners)
    return _of_customer(owned.through, rows.c.tenant_id, rows.c[owned.column], owners)


def named_within(table: Table, owners: Any) -> ColumnElement[bool]:
    """Returns the condition of the rows that others may name within a limited reach: of one that was merged the one
    that remains has to be within it, as what names the one is given to the other."""
    if "merged_into" not in table.c:
        return within(table, owners=owners)
    remains = table.alias()
    is_it = (remains.c.tenant_id == table.c.tenant_id, remains.c.id == func.coalesce(table.c.merged_into, table.c.id))
    return exists().where(*is_it, within(table, remains, owners))


def _of_customer(
    customers: Table, tenant: ColumnElement[Any], id: ColumnElement[Any], owners: Any
) -> ColumnElement[bool]:
    owned, customer = ownership(customers), customers.alias()
    assert owned is not None
    is_it = (customer.c.tenant_id == tenant, customer.c.id == id)
    return exists().where(*is_it, customer.c[owned.column] == any_(owners))
