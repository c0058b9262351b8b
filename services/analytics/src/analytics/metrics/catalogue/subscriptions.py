"""Subscriptions: recurring revenue, how it moves, and what is renewed of it."""

from analytics.metrics.definition import BAND, CURRENCY, Dimension, Metric, Unit, by, of
from analytics.metrics.measure import Flow, Is, Movement, Recurring, Sum
from kith.events.subscriptions import SubscriptionEnded, SubscriptionRenewed

OWN = by("plan", Dimension("product", stored_as="product_id"), CURRENCY)
OF_ENDED = (*of("end", "reason"), *OWN)
RENEWED = (SubscriptionRenewed.type,)
ENDED = (SubscriptionEnded.type,)
AT_TERM_END = (Is("at_term_end", ("true",)),)
PARTS = {each.value: Recurring(each) for each in Movement}


def _movement(movement: Movement, title: str, words: str, example: str) -> Metric:
    return Metric(
        id=f"mrr.{movement}",
        title=title,
        unit=Unit.MONEY,
        words=f"{words} Gross. A customer is compared at the two ends of the interval, over all of its "
        "subscriptions; a series does so period by period.",
        components={movement.value: Recurring(movement), "customers": Recurring(movement, customers=True)},
        numerator=movement.value,
        dimensions=OWN,
        example=example,
    )


METRICS = (
    Metric(
        id="mrr",
        title="Monthly recurring revenue",
        unit=Unit.MONEY,
        words="What the subscriptions in force at the end come to a month, gross; one that is on trial or paused comes "
        "to nothing. One that starts at the very end is in force then, one that ends then is not. The components say "
        "how it came about: start + new + reactivation + expansion - contraction - churn = end.",
        components=PARTS,
        numerator="end",
        dimensions=OWN,
        at_instant=True,
        example="10 seats at 49 a month and one subscription of 1,200 a year: 490 + 100 = 590.",
    ),
    _movement(
        Movement.NEW,
        "New recurring revenue",
        "Monthly recurring revenue at the end of customers who had never paid before the start.",
        "A customer starts in May at 100 and adds seats for 20 in the same month: 120 in May.",
    ),
    _movement(
        Movement.REACTIVATION,
        "Reactivated recurring revenue",
        "Monthly recurring revenue at the end of customers who did not pay at the start, and had paid before.",
        "A customer cancels in March, and starts again in May at 80: 80 in May.",
    ),
    _movement(
        Movement.EXPANSION,
        "Expansion",
        "By how much customers who paid at the start pay more a month at the end.",
        "100 at the start, 150 at the end: 50.",
    ),
    _movement(
        Movement.CONTRACTION,
        "Contraction",
        "By how much customers who pay at the end paid more a month at the start.",
        "One subscription of 100 falls to 40, another one of the same customer rises from 10 to 30: 40.",
    ),
    _movement(
        Movement.CHURN,
        "Churned recurring revenue",
        "Monthly recurring revenue at the start of customers who pay nothing at the end.",
        "A customer that paid 100 at the start has cancelled or paused all of it: 100.",
    ),
    Metric(
        id="arr_at_risk",
        title="Annual recurring revenue by health",
        unit=Unit.MONEY,
        words="Twelve times the monthly recurring revenue at the end, gross. Asked by `band`, or with the filter "
        "`band:at_risk`, it says how much of it is at risk: by the band that each customer's health was in then, as it "
        "was published. A customer of whom nothing was known is in none.",
        components={
            "arr": Recurring(Movement.END, months=12),
            "customers": Recurring(Movement.END, customers=True),
        },
        numerator="arr",
        dimensions=(BAND, *OWN),
        at_instant=True,
        example="A customer at risk pays 100 a month, 1,200 a year, a healthy one 150: 1,200 + 1,800 = 3,000.",
    ),
    Metric(
        id="mrr.paying_customers",
        title="Paying customers",
        unit=Unit.COUNT,
        words="Customers with monthly recurring revenue at the end.",
        components={"paying": Recurring(Movement.END, customers=True)},
        numerator="paying",
        dimensions=OWN,
        at_instant=True,
        example="Two customers with three subscriptions, one of which is the only trial of another: 2.",
    ),
    Metric(
        id="nrr",
        title="Net revenue retention",
        unit=Unit.PERCENT,
        words="Of the monthly recurring revenue at the start, what the same customers pay at the end: with their "
        "expansion, less contraction and churn.",
        components={name: PARTS[name] for name in ("start", "expansion", "contraction", "churn")},
        numerator="start + expansion - contraction - churn",
        denominator="start",
        dimensions=OWN,
        example="1,000 at the start, 300 expansion, 50 contraction, 150 churn: 1,100 / 1,000 = 110 %.",
    ),
    Metric(
        id="grr",
        title="Gross revenue retention",
        unit=Unit.PERCENT,
        words="Of the monthly recurring revenue at the start, what is left of it at the end, without any expansion.",
        components={name: PARTS[name] for name in ("start", "contraction", "churn")},
        numerator="start - contraction - churn",
        denominator="start",
        dimensions=OWN,
        example="1,000 at the start, 50 contraction, 150 churn: 800 / 1,000 = 80 %.",
    ),
    Metric(
        id="sales.renewal_rate",
        title="Renewal rate",
        unit=Unit.PERCENT,
        words="Subscriptions renewed in the interval, over those and the ones that ended with their term in it.",
        components={"renewed": Flow(RENEWED), "ended": Flow(ENDED, where=AT_TERM_END)},
        numerator="renewed",
        denominator="renewed + ended",
        dimensions=OWN,
        example="8 renewed, 2 ended with their term, one cancelled before it: 8 / 10 = 80 %.",
    ),
    Metric(
        id="sales.renewal_rate_value",
        title="Renewal rate by value",
        unit=Unit.PERCENT,
        words="Monthly recurring revenue due for renewal that was renewed, over that and what ended with its term. "
        "What it was renewed for does not matter here: net revenue retention has that.",
        components={"renewed": Flow(RENEWED, Sum()), "ended": Flow(ENDED, Sum(), AT_TERM_END)},
        numerator="renewed",
        denominator="renewed + ended",
        dimensions=OWN,
        example="900 a month renewed, for 1,000; 100 a month ended: 900 / 1,000 = 90 %.",
    ),
    Metric(
        id="sales.subscriptions_ended",
        title="Subscriptions ended",
        unit=Unit.COUNT,
        words="Subscriptions whose end came in the interval, cancelled or not renewed; by `end_reason`, why they were "
        "cancelled. What their customers go on to pay for otherwise does not matter here: churned recurring revenue "
        "has that.",
        components={"ended": Flow(ENDED)},
        numerator="ended",
        dimensions=OF_ENDED,
        example="Two cancelled for the price, one not renewed at the end of its term: 3.",
    ),
    Metric(
        id="mrr.ended",
        title="Recurring revenue ended",
        unit=Unit.MONEY,
        words="Monthly recurring revenue, gross, of the subscriptions whose end came in the interval, as it was just "
        "before; by `end_reason`, why they were cancelled.",
        components={"ended": Flow(ENDED, Sum())},
        numerator="ended",
        dimensions=OF_ENDED,
        example="100 a month cancelled for the price, 40 not renewed: 140.",
    ),
)
