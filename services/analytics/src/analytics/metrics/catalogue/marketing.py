"""Marketing: the touchpoints with customers, and their responses."""

from analytics.metrics.catalogue.value import BOUGHT, PLACED
from analytics.metrics.definition import Dimension, Metric, Unit, by
from analytics.metrics.measure import Count, Did, DistinctCount, Flow, Is, MovedUp, Sum, Variety
from kith.events.exchanges import TouchpointRecorded, WebVisitRecorded
from kith.events.subscriptions import SubscriptionRenewed, SubscriptionStarted

TOUCHED = (TouchpointRecorded.type,)
OUTBOUND = Is("direction", ("outbound",))
CONVERTED = Is("outcome", ("subscribed", "converted", "purchased"))
REACHED = Did(TOUCHED, in_interval=True, where=(OUTBOUND,))
TAKEN = Did(TOUCHED, in_interval=True, where=(OUTBOUND, CONVERTED))
SEVERAL, ANY_FAMILY = Variety(PLACED, "family"), Variety(PLACED, "family", at_least=1)
STARTED, RENEWED = (SubscriptionStarted.type,), (SubscriptionRenewed.type,)
BOUGHT_AGAIN = Did(PLACED + RENEWED, in_interval=True)
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
    Metric(
        id="marketing.lead_conversion",
        title="Lead conversion",
        unit=Unit.PERCENT,
        words="Of the customers that an outbound touchpoint of the interval reached, the share for whom one of them "
        "ended in " + " or ".join(CONVERTED.values) + ".",
        components={"converted": DistinctCount((TAKEN,)), "reached": DistinctCount((REACHED,))},
        numerator="converted",
        denominator="reached",
        example="200 customers called, some of them twice, and 22 of them subscribed: 11 %.",
    ),
    Metric(
        id="marketing.cross_sell",
        title="Cross-selling",
        unit=Unit.PERCENT,
        words="Of the customers who bought something of a product family, the share with two families or more to date, "
        "by the lines of their orders.",
        components={"several": DistinctCount((BOUGHT, SEVERAL)), "buyers": DistinctCount((BOUGHT, ANY_FAMILY))},
        numerator="several",
        denominator="buyers",
        at_instant=True,
        example="40 customers bought chairs, 10 of them tables, too: 25 %.",
    ),
    Metric(
        id="marketing.up_sell",
        title="Up-selling",
        unit=Unit.PERCENT,
        words="Of the customers who ordered, or renewed a subscription, in the interval, the share who moved up: to an "
        "item at a higher price than the last other one of its family that they ordered, or to a plan at a higher "
        "price of a seat and month than that of its last term. Prices are compared in one currency, before discounts.",
        components={
            "moved_up": DistinctCount((BOUGHT_AGAIN, MovedUp(PLACED, STARTED, RENEWED))),
            "bought": DistinctCount((BOUGHT_AGAIN,)),
        },
        numerator="moved_up",
        denominator="bought",
        example="Of 40 customers 6 ordered a dearer chair than their last one, 2 renewed for a dearer plan: 20 %.",
    ),
    Metric(
        id="marketing.page_views",
        title="Page views",
        unit=Unit.COUNT,
        words="Pages of our sites that known visitors saw.",
        components={"pages": Flow((WebVisitRecorded.type,), Sum("pages"))},
        numerator="pages",
        dimensions=by("site", "campaign", Dimension("visit_source", stored_as="source")),
        example="Two visits, of 3 pages and of 1: 4.",
    ),
)
