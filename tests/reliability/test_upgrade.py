"""A house starts on the code of today with what was written before there was a rule against it: its migrations go on,
all of it can be read, what cannot be published is set aside, and everything else goes on."""

import asyncio
import json
from collections.abc import Mapping
from uuid import uuid4

import pytest
from tests.reliability.test_poison_rows import PATIENCE, POISONS, House, eventually, listed, working
from tests.upgrade.house import at_revision

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.bus import open_bus
from kith.db import migrations
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

REVISIONS = {"contacts": "0003", "sales": "0003", "service-desk": "0003", "analytics": "0011"}
"""Of the databases before the bounds of kith.scalars were held."""
ROW = {"tenant_id": "$1", "id": "$2", "version": "1", "created_at": "'-infinity'", "updated_at": "'-infinity'"}
LEFT: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "contacts": ("customers", {"kind": "'person'", "name": r"E'Zo\u00eb\u0007'", "country": "'ZZ'", "tags": "'{}'"}),
    "sales": ("orders", {"value": "9223372036855.1234", "currency": "'ABC'", "country": "'ZZ'"}),
    "service-desk": (
        "cases",
        {
            "subject": r"E'Lid\u200b\u0001'",
            "priority": "'low'",
            "channel": "'email'",
            "state": "'new'",
            "reopened_count": "0",
        },
    ),
    "analytics": ("pulses", {"score": "30", "expires_at": "'infinity'", "customer_id": "$2"}),
}
"""By service the table of a noun, and a row of it as no request could write it any more."""


@pytest.mark.parametrize("service", [CONTACTS, SALES, SERVICE_DESK, ANALYTICS], ids=lambda service: service.name)
async def test_a_house_with_what_is_refused_today_goes_on(
    service: Service, postgres: EmbeddedPostgres, issuer: Issuer
) -> None:
    urls = {
        each.name: await at_revision(postgres, each, REVISIONS[each.name])
        for each in {service.name: service, "analytics": ANALYTICS}.values()
    }
    table, values = LEFT[service.name]
    columns = {**ROW, **values}
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"  # noqa: S608 - our own
    left, bus = [uuid4(), uuid4()], f"bus_{uuid4().hex}"
    await asyncio.to_thread(postgres.create_databases, bus)
    async with open_bus(None, postgres.url(bus)) as open, serving(service, urls[service.name], issuer) as client:
        mine = Tenant(client, issuer, "left")
        house = House(service, open, issuer, urls, client, mine)
        for id in left:
            await house.rows(service.name, insert, "left", id)
        bad = await house.publish("left", left[0], 1, POISONS[0])
        for each in {service.name: service, "analytics": ANALYTICS}.values():
            await migrations.migrate(urls[each.name], each.package, each.after_migrations)
        async with (
            working(service, urls[service.name], open, relays=True),
            working(ANALYTICS, urls["analytics"], open, relays=False),
        ):
            sound = [await house.publish("left", left[1]), await house.publish("another", uuid4())]
            await house.are_counted(*sound, within=PATIENCE)

            async def is_set_aside() -> bool:
                return [each["event_id"] for each in await listed(mine)] == [str(bad)]

            await eventually(is_set_aside)
        rows = await read(mine, f"/v1/{table}")
        export = [json.loads(line) for line in (await mine.get(f"/v1/{table}:export")).text.splitlines()[:-1]]
        for found in (rows, export):
            assert {each["id"] for each in found} == {str(id) for id in left}
            assert {each["created_at"] for each in found} == {"0001-01-01T00:00:00Z"}


async def read(tenant: Tenant, path: str) -> list[dict[str, str]]:
    """All, a page each."""
    found, after = list[dict[str, str]](), dict[str, str]()
    while True:
        answer = await tenant.get(path, first=1, **after)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}
