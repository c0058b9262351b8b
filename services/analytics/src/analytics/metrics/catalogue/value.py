"""Value: the worth of relationships."""

from analytics.metrics.definition import Dimension, Metric, Source, Unit, by, of
from analytics.metrics.measure import Active, Attribute, Did, DistinctCount, Flow, IsActive, Score, Sum
from kith.events.sales import OpportunityWon, OrderPlaced, OrderReturned
from kith.events.service_desk import CaseResolved

PLACED = (OrderPlaced.type,)
RETURNED = (OrderReturned.type,)
HELPED = Did((OrderPlaced.type, OpportunityWon.type, CaseResolved.type), months=12)
BOUGHT = Did(PLACED)
REPEAT = Did(PLACED, at_least=2)
REFERRED = Attribute("referred_by")

ORDERED = Flow(PLACED, Sum())
GIVEN_BACK = Flow(RETURNED, Sum())
OF_ORDER = by(*of("order", "country"), "currency")
OF_PURCHASES = by("currency")
"""The dimensions of scores: the currency filters purchases, all others filter customers."""

METRICS = (
    Metric(
        id="revenue",
        title="Net revenue",
        unit=Unit.MONEY,
        words="Net: orders placed less returns, each at its own time. Orders without a customer count.",
        components={"orders": Flow(PLACED), "ordered": ORDERED, "returns": Flow(RETURNED), "returned": GIVEN_BACK},
        numerator="ordered - returned",
        dimensions=OF_ORDER,
        version=2,
        example="Orders of 100 and 50 and a return of 30: 120.",
    ),
    Metric(
        id="orders",
        title="Orders",
        unit=Unit.COUNT,
        words="Orders placed, of value 0 too.",
        components={"orders": Flow(PLACED)},
        numerator="orders",
        dimensions=OF_ORDER,
        version=2,
        example="Two orders and a return: 2.",
    ),
    Metric(
        id="arpu",
        title="Average revenue per customer",
        unit=Unit.MONEY,
        words="Net revenue of the interval, of customers known, over the customers active at any time in it.",
        components={
            "ordered": Flow(PLACED, Sum(), of_customers=True),
            "returned": Flow(RETURNED, Sum(), of_customers=True),
            "active": Active(during=True),
        },
        numerator="ordered - returned",
        denominator="active",
        dimensions=by("currency"),
        example="A net revenue of 1,200 and 40 customers active at some time: 30 each.",
    ),
    Metric(
        id="ror",
        title="Return on relationship",
        unit=Unit.PERCENT,
        words="Of the customers helped in the 12 months before the end (an order, a won opportunity, a resolved case), "
        "the share who came by referral or have bought twice or more.",
        components={
            "helped": DistinctCount((HELPED,)),
            "loyal": DistinctCount((HELPED,), any_of=(REPEAT, REFERRED)),
            "repeat": DistinctCount((HELPED, REPEAT)),
            "referred": DistinctCount((HELPED, REFERRED)),
            "buyers": DistinctCount((BOUGHT,)),
        },
        numerator="loyal",
        denominator="helped",
        at_instant=True,
        example="200 customers helped; 50 of them bought twice or more and 10 others were referred: 60 / 200 = 30 %.",
    ),
    Metric(
        id="ror.reach",
        title="Reach of the relationship",
        unit=Unit.PERCENT,
        words="Customers helped in the 12 months before the end, over all buyers to date.",
        components={"helped": DistinctCount((HELPED,)), "buyers": DistinctCount((BOUGHT,))},
        numerator="helped",
        denominator="buyers",
        at_instant=True,
        example="200 customers helped, 800 who ever bought: 25 %.",
    ),
    Metric(
        id="loyalty.loyal_share",
        title="Loyal customers",
        unit=Unit.PERCENT,
        words="Of the customers active at the end, the share with five purchases or more to date.",
        components={"loyal": DistinctCount((Did(PLACED, at_least=5), IsActive())), "active": Active(at_end=True)},
        numerator="loyal",
        denominator="active",
        at_instant=True,
        example="Of 400 active customers 60 have bought five times or more: 15 %.",
    ),
    Metric(
        id="clv.historic",
        title="Historic customer value",
        unit=Unit.MONEY,
        words="Net revenue of the customers to date, over all who ever bought. Like every score, without customers "
        "tagged unidentified: such a one stands for many. A filter chooses whom to score; by currency, which "
        "purchases.",
        components={"value": Score("historic", sum=True), "customers": Score("historic")},
        numerator="value",
        denominator="customers",
        dimensions=OF_PURCHASES,
        at_instant=True,
        example="Two customers, of 100 and 300 to date: 200 on average.",
    ),
    Metric(
        id="clv.simple",
        title="Simple customer lifetime value",
        unit=Unit.MONEY,
        words="Average order value * orders a year * expected years (1 / yearly churn of the customer's segment) * "
        "margin, on average over the customers with an order in the year before the end. Net: orders and returns are "
        "those of that year. Churn is the share of the segment's customers active a year before the end who are not "
        "active at it, whatever the filter; the margin is 100 %. A segment in which nobody churned has none, and its "
        "customers do not count. Without customers tagged unidentified.",
        components={"value": Score("simple", sum=True), "customers": Score("simple")},
        numerator="value",
        denominator="customers",
        dimensions=OF_PURCHASES,
        at_instant=True,
        example="Orders of 50 on average, 4 a year, a yearly churn of 25 %, a margin of 100 %: 50 * 4 * 4 = 800.",
    ),
    Metric(
        id="clv.predicted",
        title="Predicted customer lifetime value",
        unit=Unit.MONEY,
        words="Expected transactions of the next 52 weeks (BG/NBD) * expected value of one (Gamma-Gamma), on average "
        "over all who ever bought. Net: a transaction is a day with orders, and what the customer gave back is taken "
        "off in proportion. By the tenant's own fit, whatever the filter: the newest whose data do not reach past the "
        "end, made with the first question and again when purchases have drifted from it. Without customers tagged "
        "unidentified.",
        components={"value": Score("predicted", sum=True), "customers": Score("predicted")},
        numerator="value",
        denominator="customers",
        dimensions=OF_PURCHASES,
        at_instant=True,
        example="One is expected to buy 3 times for 20 each, another 0.5 times for 40 each: (60 + 20) / 2 = 40.",
    ),
    Metric(
        id="customers.alive",
        title="Customers expected to buy again",
        unit=Unit.COUNT,
        words="The sum of P(alive) over all who ever bought: how many are still customers, by the tenant's BG/NBD fit, "
        "chosen as that of clv.predicted. Who bought once counts as 1: by this model one leaves after repeat "
        "purchases. Without customers tagged unidentified.",
        components={"alive": Score("p_alive", sum=True)},
        numerator="alive",
        at_instant=True,
        example="Three customers with P(alive) of 0.9, 0.5 and 0.1: 1.5.",
    ),
    Metric(
        id="rfm",
        title="Customers by recency, frequency and monetary value",
        unit=Unit.COUNT,
        words="Customers who ever bought, each with the quintiles of its last purchase, number of orders and net "
        "revenue; grouped by label they are the named segments. Of n customers the quintile is 5 * place / n, rounded "
        "up, places counted from the lowest; customers alike share the mean of their places, and so the quintile. Net "
        "revenue is that in the customer's main currency, of most of its orders, among those who have the same one. "
        "Quintiles are of the customers that the filter chooses; a filter by label, and groups, choose after that. "
        "Without customers tagged unidentified.",
        components={"customers": Score("rfm")},
        numerator="customers",
        dimensions=(Dimension("label", Source.LABEL), *OF_PURCHASES),
        at_instant=True,
        version=2,
        example="Of five customers one bought last, most often and for most: 5, 5, 5. Grouped by label, champions: 1.",
    ),
)
