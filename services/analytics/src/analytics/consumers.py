"""What analytics does with what happens in the services, itself among them: all of it goes into the ledger, and from
there into what is kept live."""

from collections import Counter
from collections.abc import Sequence

import prometheus_client
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.erasures.erasing import keep_receipts
from analytics.ledger.ledger import record
from analytics.ledger.sources import GROUP, SOURCES
from analytics.ledger.withdrawals import withdraw
from analytics.projections.fold import fold, recorded_event, retract
from analytics.tables import people
from kith.consumer import Subscription
from kith.consumer.positions import keep_watermarks
from kith.custom.stating import FIELD_STATED
from kith.customers.stating import ContactStated, CustomerStated
from kith.events.catalogue import EVENTS
from kith.events.envelope import Envelope
from kith.events.withdrawal import Withdrawal
from kith.outbox.relay import Watermark, topic_of
from kith.people.directory import keeping

COUNTED = prometheus_client.Counter(
    "kith_ledger_events_total", "Events that came into the ledger; again, if their batch was rolled back", ["type"]
)


_NO_EVENTS = (Watermark.type, Withdrawal.type, CustomerStated.type, ContactStated.type, FIELD_STATED)


WITHDRAWN = prometheus_client.Counter(
    "kith_ledger_withdrawn_events_total",
    "Events that their service withdrew; again, if their batch was rolled back",
    ["source"],
)


keep_people = keeping(people)


async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
    withdrawals = [each for each in envelopes if each.type == Withdrawal.type]
    if withdrawals:  # before the events: an aggregate's new ones have the versions of those that are withdrawn
        await retract(connection, await withdraw(connection, withdrawals))
        for source, number in Counter(each.source for each in withdrawals).items():
            WITHDRAWN.labels(source).inc(number)
    events = [each for each in envelopes if each.type not in _NO_EVENTS]
    if events:
        new = await record(connection, events)
        await keep_people(connection, new)
        await keep_receipts(connection, new)
        await fold(connection, [recorded_event(each) for each in new], {each.id: each.traceparent for each in new})
        # A newer version of a service may write types that this one does not know: of those there may be any number.
        for type, number in Counter(each.type if each.type in EVENTS else "other" for each in new).items():
            COUNTED.labels(type).inc(number)
    await keep_watermarks(connection, envelopes)


SUBSCRIPTIONS = (Subscription(GROUP, tuple(topic_of(source) for source in SOURCES), handle),)
