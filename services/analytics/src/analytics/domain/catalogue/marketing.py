"""Marketing: how customers were reached, and what they answered."""

from analytics.domain.measure import Count, Flow, Is
from analytics.domain.metric import Metric, Unit, by
from kith.events.contacts import TouchpointRecorded

TOUCHED = (TouchpointRecorded.type,)
OUTBOUND = Is("direction", ("outbound",))
OF_TOUCHPOINT = by("channel", "direction", "campaign", "outcome")

METRICS = (
    Metric(
        id="marketing.touchpoints",
        title="Touchpoints",
        unit=Unit.COUNT,
        words="Exchanges with customers, from either side.",
        components={"touchpoints": Flow(TOUCHED)},
        numerator="touchpoints",
        dimensions=OF_TOUCHPOINT,
        example="Two calls made, one mail received: 3.",
    ),
    Metric(
        id="marketing.response_rate",
        title="Response rate",
        unit=Unit.PERCENT,
        words="Of the outbound touchpoints, the share that were answered.",
        components={
            "responses": Flow(TOUCHED, Count(), (OUTBOUND, Is("responded", ("true",)))),
            "outbound": Flow(TOUCHED, Count(), (OUTBOUND,)),
        },
        numerator="responses",
        denominator="outbound",
        dimensions=OF_TOUCHPOINT,
        example="50 calls made, 6 answered by an order: 12 %.",
    ),
)
