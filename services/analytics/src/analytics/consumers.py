"""What analytics does with what happens in the services, itself among them: all of it goes into the ledger, and from
there into what is kept live."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.ledger import record
from analytics.ledger.sources import GROUP, SOURCES
from analytics.ledger.watermarks import note_watermark
from analytics.projections.fold import fold, recorded_event
from kith.consumer import Subscription
from kith.events.envelope import Envelope
from kith.outbox.relay import Watermark, topic_of


async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
    events = [each for each in envelopes if each.type != Watermark.type]
    if events:
        new = await record(connection, events)
        await fold(connection, [recorded_event(each) for each in new], {each.id: each.traceparent for each in new})
    for each in envelopes:
        if each.type == Watermark.type:
            await note_watermark(connection, each)


SUBSCRIPTIONS = (Subscription(GROUP, tuple(topic_of(source) for source in SOURCES), handle),)
