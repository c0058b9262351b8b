"""Pages of lists of customers for a tenant of 200,000, beside the same for one of 200 in the same database: filtered,
sorted, from the middle, over a relation, counted."""
# ruff: noqa: S608 - the statements are made of this file's constants

import json
from typing import Any
from uuid import UUID

import asyncpg
from tests.bench.measure import Figure, rate

from contacts.resources import RESOURCES
from contacts.service import SERVICE
from kith.db.connections import Database
from kith.db.migrations import migrate
from kith.nouns.lists.listing import Asked, Listing, listings_of
from kith.nouns.queries import Queries
from kith.reach import EVERYONE, Reach
from kith_local.postgres import EmbeddedPostgres

WHALE, SMALL, MOST_MS = "whale", "small-1", 20
CUSTOMERS, TENANTS, OF_EACH = 200_000, 100, 200

# One in a hundred has no owner, one in a thousand is tagged rare, one in two is of the segment s0.
_FILL = f"""
    INSERT INTO customers (tenant_id, id, external_id, version, created_at, updated_at, kind, name, country, segment,
                           tier, owner, tags)
    SELECT tenant, uuidv7(), 'x-' || n, 1, at, at, 'person', 'Customer ' || md5(n::text),
           'c' || n % 30, CASE WHEN n % 2 = 0 THEN 's0' ELSE 's' || n % 97 END, 't' || n % 5,
           CASE WHEN n % 100 > 0 THEN 'o' || n % 50 END,
           CASE WHEN n % 1000 = 7 THEN ARRAY['common', 'rare'] WHEN n % 3 = 0 THEN ARRAY['common'] ELSE '{{}}' END
    FROM (
        SELECT '{WHALE}' AS tenant, n FROM generate_series(1, {CUSTOMERS}) n
        UNION ALL
        SELECT 'small-' || s, n FROM generate_series(1, {TENANTS}) s, generate_series(1, {OF_EACH}) n
    ) every, LATERAL (SELECT timestamptz '2020-01-01' + n * interval '10 minutes' AS at) times
"""
_CONTACTS = """
    INSERT INTO contacts (tenant_id, id, customer_id, version, created_at, updated_at, name, role)
    SELECT tenant_id, uuidv7(), id, 1, created_at, created_at, 'Contact of ' || name, 'r' || external_id::text
    FROM customers WHERE segment = 's0'
"""
_FIELDS = f"""
    INSERT INTO field_definitions (tenant_id, id, version, created_at, updated_at, of_noun, code, value_type, label,
                                   position, required, "unique", personal, filterable, choices)
    SELECT tenant, id::uuid, 1, now(), now(), 'customer', code, kind, code, 0, false, false, false, true, '{{}}'
    FROM (VALUES ('{UUID(int=1)}', 'region', 'choice'), ('{UUID(int=2)}', 'rank', 'number')) f (id, code, kind),
         (SELECT DISTINCT tenant_id AS tenant FROM customers) tenants
"""
_ENTRIES = f"""
    INSERT INTO custom_entries (tenant_id, record_id, field_id, place, text, number, is_unique)
    SELECT tenant_id, id, '{UUID(int=1)}'::uuid, 0, segment, NULL::bigint, false FROM customers
    UNION ALL
    SELECT tenant_id, id, '{UUID(int=2)}'::uuid, 0, NULL, substr(external_id, 3)::bigint % 5000 * 1000000, false
    FROM customers
"""
_PAGES: dict[str, dict[str, Any]] = {
    "newest first": {},
    "half of all": {"where": {"segment": {"eq": "s0"}}},
    "one in a hundred": {"where": {"segment": {"eq": "s17"}}},
    "two fields": {"where": {"segment": {"in": ["s3", "s5"]}, "country": {"eq": "c7"}}},
    "tag of a third": {"where": {"tags": {"any_of": ["common"]}}},
    "tag of one in a thousand": {"where": {"tags": {"all_of": ["rare", "common"]}}},
    "prefix of a name, by name": {"where": {"name": {"prefix": "Customer ab"}}, "order_by": ["name"]},
    "by name": {"order_by": ["name.desc"]},
    "by stage, those without first": {"order_by": ["stage.nulls_first", "name"]},
    "without an owner": {"where": {"owner_id": {"is_null": True}}},
    "not of half": {"where": {"not": {"or": [{"segment": {"eq": "s0"}}, {"tier": {"eq": "t1"}}]}}},
    "over a relation": {"where": {"contacts": {"role": {"prefix": "rx-1"}}}},
    "half of all by a custom field": {"where": {"custom": [{"code": "region", "eq": "s0"}]}},
    "one in a hundred by a custom field": {"where": {"custom": [{"code": "region", "eq": "s17"}]}},
    "by a number of a custom field": {"where": {"custom": [{"code": "rank", "between": ["10", "19"]}]}},
    "not by a custom field": {"where": {"custom": [{"code": "region", "ne": "s0"}]}},
    "by two custom fields": {
        "where": {"custom": [{"code": "region", "in": ["s3", "s5"]}, {"code": "rank", "lt": "1000"}]}
    },
    "sorted by a custom field": {"order_by": ["custom.rank.desc"]},
    "sorted by a custom field, those without first": {"order_by": ["custom.rank.nulls_first"]},
    "half of all, sorted by a custom field": {
        "where": {"custom": [{"code": "region", "eq": "s0"}]},
        "order_by": ["custom.rank"],
    },
    "counted": {"where": {"segment": {"eq": "s0"}}, "count": True},
}
_REACHED: dict[str, tuple[str, int, dict[str, Any]]] = {
    "one's own, of 4,000": ("customer", 1, {}),
    "one's own, of none": ("customer", 0, {}),
    "a team's, of 80,000": ("customer", 20, {}),
    "one's own, counted": ("customer", 1, {"count": True}),
    "one's own of half of all": ("customer", 1, {"where": {"segment": {"eq": "s0"}}}),
    "one's own by name": ("customer", 1, {"order_by": ["name"]}),
    "contacts of one's own": ("contact", 1, {}),
    "contacts of a team's": ("contact", 20, {}),
    "contacts of no customer": ("contact", 0, {}),
}
"""For an actor with a limited reach: the noun, and of how many users the records are."""


async def fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    vacuum = (f"VACUUM ANALYZE {each}" for each in ("customers", "contacts", "custom_entries"))
    for statement in (_FILL, _CONTACTS, _FIELDS, _ENTRIES, *vacuum):
        await connection.execute(statement)
    await connection.close()


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE lists")
    await connection.close()
    url = postgres.url("lists")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    await fill(url)
    return await measured(url)


async def measured(url: str) -> list[Figure]:
    database, listings = Database(url, pool_size=2, application="bench"), listings_of("contacts", RESOURCES)
    found = []
    try:
        for name, asked in _PAGES.items():
            for way, page in (("", 0), (", 20th page", 20)) if name != "counted" else (("", 0),):
                list_ = (database, listings["customer"], asked, page)
                whale, small = [await _milliseconds(each, *list_) for each in (WHALE, SMALL)]
                found.append(Figure(name + way, whale, "for 200", small, MOST_MS, unit="ms"))
        for name, (noun, owners, asked) in _REACHED.items():
            list_ = (database, listings[noun], asked, 0)
            whale, small = [
                await _milliseconds(each, *list_, await _reach(url, each, owners)) for each in (WHALE, SMALL)
            ]
            found.append(Figure(name, whale, "for 200", small, MOST_MS, unit="ms"))
    finally:
        await database.close()
    return found


async def _reach(url: str, tenant: str, owners: int) -> Reach:
    """Of so many of the users who own customers, those first of whose customers most are of the segment s0, as those
    with contacts are; of one who owns nothing, if none."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT owner_id FROM customers WHERE tenant_id = $1 AND owner_id IS NOT NULL GROUP BY owner_id "
            "ORDER BY count(*) FILTER (WHERE segment = 's0') DESC, owner_id LIMIT $2",
            *(tenant, owners),
        )
    finally:
        await connection.close()
    return Reach(tuple(row["owner_id"] for row in rows) or (UUID(int=1),))


async def _milliseconds(
    tenant: str, database: Database, listing: Listing, sent: dict[str, Any], page: int, reach: Reach = EVERYONE
) -> float:
    asked = listing.asked_in_body(json.dumps({"first": 50, **sent}).encode(), personal=True)
    queries = Queries[Any](listing, listing.resource.view, reach=reach, personal=None)

    async def once(after: str | None = None) -> str | None:
        this = Asked(asked.condition, asked.order, asked.first, after)
        async with database.read(tenant, by_values=this.has_values or reach.is_limited) as connection:
            if asked.counts:
                await queries.count(connection, tenant, this)
            return (await queries.page(connection, tenant, this)).next

    after = None
    for _ in range(page):
        after = await once(after) or after
    return 1000 / await rate(lambda: once(after))
