"""What every noun gets from its form, shown on the opportunity."""

import asyncio
from typing import Any

import httpx
import pytest

from kith.ids import new_id

Headers = dict[str, str]
CHAIRS = {"name": "Ten chairs", "currency": "EUR", "value": "1200.5"}


async def opened(sales: httpx.AsyncClient, mine: Headers, **fields: Any) -> Any:
    answer = await sales.post("/v1/opportunities", json={**CHAIRS, **fields}, headers=mine)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_what_was_created_can_be_read(sales: httpx.AsyncClient, mine: Headers) -> None:
    created = await sales.post("/v1/opportunities", json=CHAIRS, headers=mine)
    assert created.status_code == 201
    assert created.headers["etag"] == '"1"'
    assert created.headers["kith-position"].startswith("sales@")
    read = await sales.get(created.headers["location"], headers=mine)
    assert read.json() == created.json()
    assert read.json()["value"] == "1200.5000"


async def test_without_a_token_nothing_is_disclosed(sales: httpx.AsyncClient) -> None:
    refused = await sales.get("/v1/opportunities")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**CHAIRS, "colour": "red"}, "colour"),
        ({**CHAIRS, "currency": "euro"}, "currency"),
        ({**CHAIRS, "value": -1}, "value"),
        ({**CHAIRS, "value": True}, "value"),
        ({**CHAIRS, "value": "1.00001"}, "value"),
        ({**CHAIRS, "name": "  "}, "name"),
        ({**CHAIRS, "stage": "won"}, "stage"),
        ({**CHAIRS, "version": 7}, "version"),
        ({**CHAIRS, "tenant_id": "other"}, "tenant_id"),
        ({**CHAIRS, "occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
        ({**CHAIRS, "occurred_at": "2020-01-01T00:00:00"}, "occurred_at"),
        ({**CHAIRS, "product_id": str(new_id())}, "product_id"),
        ({"name": "X"}, "currency"),
    ],
)
async def test_a_refusal_names_the_field(
    sales: httpx.AsyncClient, mine: Headers, body: dict[str, object], field: str
) -> None:
    refused = await sales.post("/v1/opportunities", json=body, headers=mine)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert (await sales.get("/v1/opportunities", headers=mine)).json()["items"] == []


async def test_a_body_that_is_no_json_is_refused(sales: httpx.AsyncClient, mine: Headers) -> None:
    refused = await sales.post("/v1/opportunities", content=b"{", headers={**mine, "Content-Type": "application/json"})
    assert refused.status_code == 422


async def test_a_command_moves_it_on(sales: httpx.AsyncClient, mine: Headers) -> None:
    it = await opened(sales, mine)
    won = await sales.post(f"/v1/opportunities/{it['id']}:win", json={"value": 900}, headers=mine)
    assert (won.status_code, won.json()["stage"], won.json()["value"]) == (200, "won", "900.0000")
    assert won.headers["etag"] == '"2"'


async def test_a_command_that_its_state_forbids_is_a_conflict(sales: httpx.AsyncClient, mine: Headers) -> None:
    it = await opened(sales, mine)
    await sales.post(f"/v1/opportunities/{it['id']}:lose", json={}, headers=mine)
    refused = await sales.post(f"/v1/opportunities/{it['id']}:win", json={}, headers=mine)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kith:problem:opportunity-already-closed")
    assert (await sales.get(f"/v1/opportunities/{it['id']}", headers=mine)).json()["version"] == 2


async def test_who_did_not_see_the_last_change_gets_a_conflict(sales: httpx.AsyncClient, mine: Headers) -> None:
    it = await opened(sales, mine)
    advance = f"/v1/opportunities/{it['id']}:advance"
    first = await sales.post(advance, json={"stage": "engaging"}, headers={**mine, "If-Match": '"1"'})
    second = await sales.post(advance, json={"stage": "proposing"}, headers={**mine, "If-Match": '"1"'})
    assert (first.status_code, second.status_code) == (200, 412)


async def test_an_if_match_that_is_no_etag_is_refused(sales: httpx.AsyncClient, mine: Headers) -> None:
    it = await opened(sales, mine)
    refused = await sales.post(f"/v1/opportunities/{it['id']}:lose", json={}, headers={**mine, "If-Match": "one"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "If-Match")


async def test_of_two_at_the_same_moment_one_wins(sales: httpx.AsyncClient, mine: Headers) -> None:
    it = await opened(sales, mine)
    answers = await asyncio.gather(
        *(sales.post(f"/v1/opportunities/{it['id']}:win", json={}, headers=mine) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_a_list_goes_page_by_page_to_its_end(sales: httpx.AsyncClient, mine: Headers) -> None:
    made = [(await opened(sales, mine, name=f"No. {n}"))["id"] for n in range(5)]
    seen, after = [], None
    for _ in range(3):
        query = {"first": "2", **({"after": after} if after else {})}
        page = (await sales.get("/v1/opportunities", params=query, headers=mine)).json()
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
    assert (seen, after) == (made[::-1], None)


async def test_a_list_is_filtered(sales: httpx.AsyncClient, mine: Headers) -> None:
    await opened(sales, mine)
    mara = str(new_id())
    engaging = await opened(sales, mine, stage="engaging", owner_id=mara)
    for query in ("stage=engaging", f"owner_id={mara}", f"stage=engaging&owner_id={mara}"):
        page = (await sales.get(f"/v1/opportunities?{query}", headers=mine)).json()
        assert [item["id"] for item in page["items"]] == [engaging["id"]], query


@pytest.mark.parametrize("query", ["colour=red", "first=0", "first=501", "after=x", "customer_id=5"])
async def test_a_list_refuses_what_it_does_not_know(sales: httpx.AsyncClient, mine: Headers, query: str) -> None:
    refused = await sales.get(f"/v1/opportunities?{query}", headers=mine)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, query.partition("=")[0])


async def test_another_tenant_sees_and_touches_nothing(
    sales: httpx.AsyncClient, mine: Headers, theirs: Headers
) -> None:
    it = await opened(sales, mine, external_id="x")
    path = f"/v1/opportunities/{it['id']}"
    assert (await sales.get("/v1/opportunities", headers=theirs)).json()["items"] == []
    assert (await sales.get(path, headers=theirs)).status_code == 404
    assert (await sales.post(f"{path}:win", json={}, headers=theirs)).status_code == 404
    row = {"command": "win", "external_id": "x", "occurred_at": "2026-01-01T00:00:00Z"}
    bulk = (await sales.post("/v1/opportunities:bulk", json={"rows": [row]}, headers=theirs)).json()
    assert bulk["results"][0]["problem"]["status"] == 404
    assert (await sales.get(path, headers=mine)).json() == it


class TestIdempotencyKey:
    async def test_the_second_request_is_answered_like_the_first(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        keyed = {**mine, "Idempotency-Key": "k"}
        first = await sales.post("/v1/opportunities", json=CHAIRS, headers=keyed)
        second = await sales.post("/v1/opportunities", json=CHAIRS, headers=keyed)
        assert (second.status_code, second.content) == (201, first.content)
        assert second.headers["kith-position"] == first.headers["kith-position"]
        assert len((await sales.get("/v1/opportunities", headers=mine)).json()["items"]) == 1

    async def test_a_change_is_answered_as_it_was_then(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        it = await opened(sales, mine)
        advance, keyed = f"/v1/opportunities/{it['id']}:advance", {**mine, "Idempotency-Key": "k"}
        first = await sales.post(advance, json={"stage": "engaging"}, headers=keyed)
        await sales.post(advance, json={"stage": "proposing"}, headers=mine)
        assert (await sales.post(advance, json={"stage": "engaging"}, headers=keyed)).json() == first.json()

    async def test_another_body_under_the_key_is_refused(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        keyed = {**mine, "Idempotency-Key": "k"}
        await sales.post("/v1/opportunities", json=CHAIRS, headers=keyed)
        refused = await sales.post("/v1/opportunities", json={**CHAIRS, "name": "Other"}, headers=keyed)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Idempotency-Key")

    async def test_a_refused_request_leaves_the_key_free(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        keyed = {**mine, "Idempotency-Key": "k"}
        await sales.post("/v1/opportunities", json={**CHAIRS, "stage": "won"}, headers=keyed)
        assert (await sales.post("/v1/opportunities", json=CHAIRS, headers=keyed)).status_code == 201

    async def test_the_key_of_another_tenant_is_another_key(
        self, sales: httpx.AsyncClient, mine: Headers, theirs: Headers
    ) -> None:
        first = await sales.post("/v1/opportunities", json=CHAIRS, headers={**mine, "Idempotency-Key": "k"})
        other = await sales.post("/v1/opportunities", json=CHAIRS, headers={**theirs, "Idempotency-Key": "k"})
        assert first.json()["id"] != other.json()["id"]

    async def test_at_the_same_moment_it_happens_once(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        keyed = {**mine, "Idempotency-Key": "k"}
        answers = await asyncio.gather(*(sales.post("/v1/opportunities", json=CHAIRS, headers=keyed) for _ in range(5)))
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
        assert len((await sales.get("/v1/opportunities", headers=mine)).json()["items"]) == 1


class TestBulk:
    ROWS = (
        {"external_id": "a", "occurred_at": "2020-01-01T00:00:00Z", **CHAIRS},
        {"external_id": "b", "occurred_at": "2020-01-02T00:00:00Z", **CHAIRS},
        {"command": "win", "external_id": "a", "occurred_at": "2020-02-01T00:00:00Z", "value": 7},
    )

    async def send(self, sales: httpx.AsyncClient, mine: Headers, *rows: Any) -> Any:
        answer = await sales.post("/v1/opportunities:bulk", json={"rows": rows}, headers=mine)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def test_rows_are_carried_out_in_order_at_their_own_times(
        self, sales: httpx.AsyncClient, mine: Headers
    ) -> None:
        done = await self.send(sales, mine, *self.ROWS)
        assert (done["accepted"], done["events"]) == (3, 3)
        it = (await sales.get(f"/v1/opportunities/{done['results'][0]['id']}", headers=mine)).json()
        assert (it["created_at"], it["closed_at"]) == ("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z")
        assert (it["version"], it["value"]) == (2, "7.0000")

    async def test_sent_twice_nothing_changes(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        first = await self.send(sales, mine, *self.ROWS)
        second = await self.send(sales, mine, *self.ROWS)
        assert (second["unchanged"], second["events"]) == (3, 0)
        assert [row["id"] for row in second["results"]] == [row["id"] for row in first["results"]]

    async def test_the_same_row_twice_in_one_request_is_one(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        done = await self.send(sales, mine, self.ROWS[0], self.ROWS[0], self.ROWS[2], self.ROWS[2])
        assert [row["status"] for row in done["results"]] == ["accepted", "unchanged", "accepted", "unchanged"]

    async def test_a_rejected_row_does_not_stop_the_others(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        done = await self.send(
            sales,
            mine,
            {"external_id": "c"},
            {**self.ROWS[0], "currency": "?"},
            {"command": "fly", "external_id": "a"},
            {**self.ROWS[1]},
            {**self.ROWS[2], "external_id": "nobody"},
            "row",
        )
        assert [row["status"] for row in done["results"]] == ["rejected"] * 3 + ["accepted"] + ["rejected"] * 2
        fields = [[error["field"] for error in row["problem"].get("errors", [])] for row in done["results"][:3]]
        assert fields == [["occurred_at", "name"], ["currency"], ["command"]]
        assert done["results"][4]["problem"]["status"] == 404

    async def test_another_row_under_the_same_external_id_is_refused(
        self, sales: httpx.AsyncClient, mine: Headers
    ) -> None:
        done = await self.send(sales, mine, self.ROWS[0], {**self.ROWS[0], "name": "Other"})
        assert done["results"][1]["problem"]["errors"][0]["field"] == "external_id"

    async def test_a_rule_that_refuses_leaves_the_row_as_it_was(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        done = await self.send(
            sales, mine, self.ROWS[0], {**self.ROWS[2], "occurred_at": "2019-01-01T00:00:00Z"}, self.ROWS[2]
        )
        assert [row["status"] for row in done["results"]] == ["accepted", "rejected", "accepted"]

    async def test_two_requests_with_the_same_rows_at_once_make_each_once(
        self, sales: httpx.AsyncClient, mine: Headers
    ) -> None:
        rows = [{**self.ROWS[0], "external_id": f"r{n}"} for n in range(50)]
        answers = await asyncio.gather(*(self.send(sales, mine, *rows) for _ in range(3)))
        assert sum(answer["accepted"] for answer in answers) == 50
        assert sum(answer["events"] for answer in answers) == 50

    async def test_too_many_rows_are_refused_before_any_is_done(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        refused = await sales.post("/v1/opportunities:bulk", json={"rows": [0] * 10_001}, headers=mine)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "rows")

    async def test_a_body_without_rows_is_refused(self, sales: httpx.AsyncClient, mine: Headers) -> None:
        refused = await sales.post("/v1/opportunities:bulk", json={"row": []}, headers=mine)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body")
