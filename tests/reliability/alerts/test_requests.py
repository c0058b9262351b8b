"""What goes wrong with requests raises the alert that says so: a real API of sales, and the committed rules."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from tests.reliability.alerts.conftest import Start, Watched

from contacts.service import SERVICE as CONTACTS
from sales.service import SERVICE as SALES

ORDERS = "/v1/orders?first=1"
Headers = dict[str, str]


async def ask(api: Watched, times: int = 1, headers: Headers | None = None) -> list[int]:
    """The statuses of so many requests at once."""
    url = f"{api.process.url}{ORDERS}"
    answers = await asyncio.gather(*(api.client.get(url, headers=headers or api.headers) for _ in range(times)))
    return [answer.status_code for answer in answers]


async def test_requests_that_fail_burn_the_budget(start: Start) -> None:
    api = await start(SALES, "api", "DROP TABLE orders CASCADE")
    assert set(await ask(api, 20)) == {500}
    await api.fires("KithApiAvailabilityBurn")


async def test_requests_that_wait_for_a_lock_burn_the_budget_of_latency(start: Start) -> None:
    api = await start(SALES, "api")
    assert await ask(api) == [200]
    api.before = await api.scrape()
    await api.holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    asking = asyncio.create_task(ask(api, 3))
    clock = asyncio.get_running_loop().time
    began = clock()
    while clock() < began + 1.5:  # the objective gives a request half a second
        await api.scrape()
    await api.holder.execute("COMMIT")
    assert set(await asking) == {200}
    await api.fires("KithApiLatencyBurn")


async def test_a_tenant_that_sends_more_than_its_rate_is_heard_of(start: Start) -> None:
    api = await start(SALES, "api", KITH_TENANT_RATE="1", KITH_TENANT_BURST="1")
    assert (await ask(api, 150)).count(429) > 100
    await api.fires("KithTenantsThrottled")


async def test_a_web_form_that_is_flooded_is_heard_of(start: Start) -> None:
    api = await start(SALES, "api")
    form = f"{api.process.url}/public/lead-forms/nobody/none"
    codes = [(await api.client.post(form, json={})).status_code for _ in range(150)]
    assert codes.count(429) > 100
    await api.fires("KithLeadFormsFlooded")


async def test_a_store_that_takes_no_file_is_heard_of(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    api = await start(CONTACTS, "api", KITH_ATTACHMENTS_FOLDER=str(folder))
    folder.write_text("no folder any more")
    where, kind = f"{api.process.url}/v1/attachments/content", {"Content-Type": "text/plain"}
    assert (await api.client.post(where, content=b"tea", headers=api.headers | kind)).status_code == 503
    await api.fires("KithAttachmentStoreFailing")


async def test_all_tenants_together_may_be_too_many(start: Start, token: Callable[..., Headers]) -> None:
    api = await start(SALES, "api", KITH_POOL_SIZE="1", KITH_TENANT_QUEUE="1")
    await api.holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    asking = asyncio.gather(*(ask(api, headers=token(f"tenant-{number}")) for number in range(30)))
    refused = await api.until('kith_requests_refused_total{reason="overload"', bool)
    await api.holder.execute("COMMIT")
    await asking
    await api.fires("KithOverloaded", after=refused)


async def test_connections_that_do_not_speak_http_are_cut(start: Start) -> None:
    api = await start(SALES, "api")
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", api.process.port)) as connection:
            connection.sendall(b"not http at all\r\n\r\n")
            connection.recv(1000)
    await api.until("kith_connections_cut_total", lambda number: number >= 100)
    await api.fires("KithConnectionsCut")


async def test_an_audit_log_that_cannot_be_written_is_heard_of(start: Start) -> None:
    api = await start(CONTACTS, "api", "ALTER TABLE audit_log RENAME TO elsewhere")
    customer = {"kind": "person", "name": "Bob"}
    made = await api.client.post(f"{api.process.url}/v1/customers", json=customer, headers=api.headers)
    where = f"{api.process.url}{made.headers['location']}"
    assert (await api.client.get(where, headers=api.headers)).status_code == 200
    after = await api.until("kith_audit_lost_total", lambda lost: lost > 0)
    await api.fires("KithAuditLogNotWritten", after=after)


async def test_requests_that_wait_for_a_connection_are_heard_of(start: Start) -> None:
    """A request for GraphQL may want several connections at once: slots for requests do not bound them."""
    api = await start(SALES, "api", KITH_POOL_SIZE="1")
    await api.holder.execute("LOCK TABLE orders, tasks IN ACCESS EXCLUSIVE MODE")
    query = {"query": "{ a: orders { nodes { id } } b: orders { nodes { id } } c: tasks { nodes { id } } }"}
    asking = asyncio.create_task(api.client.post(f"{api.process.url}/graphql", json=query, headers=api.headers))
    clock = asyncio.get_running_loop().time
    began = clock()
    while clock() < began + 2:  # the alert is on half a second
        await api.scrape()
    await api.holder.execute("COMMIT")
    assert (await asking).status_code == 200
    await api.fires("KithDatabaseWaits")
