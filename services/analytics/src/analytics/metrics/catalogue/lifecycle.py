"""The course of relationships: moves between lifecycle stages, and the use of what was bought."""

from analytics.metrics.definition import Metric, Unit, by, of
from analytics.metrics.measure import Did, DistinctCount, Flow, Sum
from kith.events.contacts import CustomerLifecycleMoved
from kith.events.exchanges import AdoptionMeasured, UsageRecorded

USED = (UsageRecorded.type,)
MEASURED = (AdoptionMeasured.type,)
OF_USAGE = by(*of("used", "product", "feature"))

METRICS = (
    Metric(
        id="lifecycle.moves",
        title="Lifecycle moves",
        unit=Unit.COUNT,
        words="Moves of customers to another lifecycle stage.",
        components={"moves": Flow((CustomerLifecycleMoved.type,))},
        numerator="moves",
        dimensions=by(*of("lifecycle", "stage"), "from_stage", "reason"),
        example="A lead becomes a prospect, and then a customer: 2.",
    ),
    Metric(
        id="usage.uses",
        title="Product usage",
        unit=Unit.COUNT,
        words="Uses of what customers bought.",
        components={"uses": Flow(USED, Sum("uses"))},
        numerator="uses",
        dimensions=OF_USAGE,
        example="Two reports, of 3 uses and of 40: 43.",
    ),
    Metric(
        id="usage.customers",
        title="Customers who used something",
        unit=Unit.COUNT,
        words="Customers who used what they bought, each once.",
        components={"users": DistinctCount((Did(USED, in_interval=True),))},
        numerator="users",
        example="Three reports of one customer, and one of another: 2.",
    ),
    Metric(
        id="usage.adoption",
        title="Adoption",
        unit=Unit.PERCENT,
        words="Of the features, seats and modules that were counted as bought, the share that were in use.",
        components={"used": Flow(MEASURED, Sum("used")), "bought": Flow(MEASURED, Sum("bought"))},
        numerator="used",
        denominator="bought",
        dimensions=by(*of("used", "product")),
        example="One customer uses 3 of 10 features, another 5 of 6: (3 + 5) / 16 = 50 %.",
    ),
)
