"""The course of relationships: moves between lifecycle stages, and the use of what was bought."""

from analytics.metrics.definition import Metric, Unit, by, of
from analytics.metrics.measure import CustomerInUse, Did, DistinctCount, Flow, Lapse, Median, Stock, Sum
from kith.events.contacts import CustomerCreated, CustomerLifecycleMoved
from kith.events.exchanges import AdoptionMeasured, UsageRecorded
from kith.events.sales import OpportunityWon, OrderPlaced

USED = (UsageRecorded.type,)
BOUGHT = ((OrderPlaced.type, OpportunityWon.type), (CustomerCreated.type,))
MEASURED = (AdoptionMeasured.type,)
OF_USAGE = by(*of("used", "product", "feature"))

STAGE = of("lifecycle", "stage")

METRICS = (
    Metric(
        id="lifecycle.customers",
        title="Customers by lifecycle stage",
        unit=Unit.COUNT,
        words="Customers that have a record at the end; grouped by `lifecycle_stage`, those in each stage. What is "
        "archived does not count as long as it is.",
        components={"customers": Stock(CustomerCreated.noun, where=(CustomerInUse(),))},
        numerator="customers",
        dimensions=by(*STAGE),
        at_instant=True,
        example="Of three customers one is a lead at the end, two are customers, and a fourth was archived: 3.",
    ),
    Metric(
        id="lifecycle.moves",
        title="Lifecycle moves",
        unit=Unit.COUNT,
        words="Moves of customers to another lifecycle stage.",
        components={"moves": Flow((CustomerLifecycleMoved.type,))},
        numerator="moves",
        dimensions=by(*STAGE, "from_stage", "reason"),
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
        id="usage.time_to_value",
        title="Time to value",
        unit=Unit.DAYS,
        words="Mean days that customers took to their first use of what they bought: from their first order or won "
        "opportunity, or, where there is none before that use, from their record. Of those whose first use lies in the "
        "interval.",
        components={"time": Lapse(BOUGHT, USED, Sum("seconds")), "customers": Lapse(BOUGHT, USED)},
        numerator="time",
        denominator="customers",
        example="One used it 2 days after its first order, another 10 days after it was entered, without one: 6 days.",
    ),
    Metric(
        id="usage.time_to_value_median",
        title="Time to value, median",
        unit=Unit.DAYS,
        words="Median days that customers took to their first use of what they bought: from their first order or won "
        "opportunity, or, where there is none before that use, from their record. Of those whose first use lies in the "
        "interval.",
        components={"median": Lapse(BOUGHT, USED, Median("seconds"))},
        numerator="median",
        example="Lapses of 2, 10 and 90 days: 10 days.",
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
