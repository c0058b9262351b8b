"""Sales: the pipeline and its results."""

from analytics.metrics.catalogue.retention import KEPT
from analytics.metrics.catalogue.value import OF_ORDER, PLACED, RETURNED
from analytics.metrics.definition import CURRENCY, OPPORTUNITY_TEAM, USERS, Dimension, Metric, Unit, by, of
from analytics.metrics.measure import (
    Active,
    Condition,
    Count,
    DayIn,
    Flow,
    Has,
    InUse,
    Is,
    Measure,
    Median,
    OfNewCustomer,
    Overridden,
    Stands,
    Stock,
    Sum,
)
from kith.events.sales import (
    OpportunityAdvanced,
    OpportunityLost,
    OpportunityReopened,
    OpportunitySwitched,
    OpportunityWon,
    QuoteAccepted,
    QuoteSent,
)

WON = (OpportunityWon.type,)
LOST = (OpportunityLost.type,)
CLOSED = WON + LOST
ONCE = (Stands((*CLOSED, OpportunityReopened.type)),)
ONCE_IN_WORDS = "One that was closed and reopened counts once, as the last of that in the interval leaves it."
PRODUCT = Dimension("product", stored_as="product_id")
(OPPORTUNITY_OWNER,) = of("opportunity", "owner")
OWN = (*of("opportunity", "owner", "source"), OPPORTUNITY_TEAM, PRODUCT)
OF_OPPORTUNITY = by(*OWN, "currency")
PROPOSED = (QuoteSent.type,)
OF_QUOTE = by("currency")
OF_LINE = by(PRODUCT, "family", *of("order", "country"), "currency")
LEFT_STAGE = (OpportunityAdvanced.type, OpportunitySwitched.type, *CLOSED)
OF_STAGE = by(Dimension("stage_left", stored_as="from_phase"), *OWN)
OF_CYCLE = by(Dimension("opportunity_outcome", stored_as="phase"), *OWN)
OPEN: tuple[Condition, ...] = (Has("phase"), Is("phase", ("won", "lost"), negated=True))
PROBABILITY = {"prospecting": 0.1, "engaging": 0.3, "proposing": 0.5, "negotiating": 0.8}
"""Of winning, by stage, in events from before stages said it themselves."""
LIKELY = Sum(percent="probability_percent", weights=PROBABILITY)
STANDING = (
    Dimension("stage", stored_as="phase"),
    Dimension("pipeline", stored_as="pipeline_id"),
    Dimension("forecast_category"),
    *OWN,
    CURRENCY,
)
IN_PIPELINE = by(*STANDING)
CATEGORIES = ("commit", "best_case", "pipeline")
COMMITTED, IN_CATEGORY = Is("forecast_category", ("commit",)), Is("forecast_category", CATEGORIES)
FORECAST = (*OPEN, Is("forecast_category", ("omitted",), negated=True))
IN_FORECAST = by(Dimension("expected_close_month", stored_as="expected_close", first=7), *STANDING)


def _expected(*where: Condition) -> Stock:
    """The value of what is open and expected to close in the interval."""
    return Stock("sales.opportunity", Sum(), (*OPEN, DayIn("expected_close"), *where))


BY_WHOM = (OPPORTUNITY_OWNER, OPPORTUNITY_TEAM, USERS, Dimension("forecast_category"), CURRENCY)
"""The dimensions of adjustments."""
ADJUSTED_BY = dict.fromkeys(("raised", "lowered", "overrides", "overridden"), BY_WHOM)
JUDGED = "raised - lowered + overrides - overridden"
"""What adjustments add to what is computed."""


def _judged(whose: str, *where: Is) -> dict[str, Measure]:
    """The adjustments of forecasts whose period lies in the interval, and what overrides stand in place of."""
    own: tuple[Condition, ...] = (DayIn("starts_on"), DayIn("ends_on"), InUse(), Has(whose), *where)
    directions = {"raised": "up", "lowered": "down", "overrides": "override"}
    said = {
        name: Stock("sales.forecast-adjustment", Sum(), (*own, Is("direction", (each,))))
        for name, each in directions.items()
    }
    return {**said, "overridden": _expected(*where, Overridden(whose))}


def _adjusted(id: str, title: str, whose: str, words: str, by_whom: Dimension, example: str) -> Metric:
    return Metric(
        id=id,
        title=title,
        unit=Unit.MONEY,
        words="Value, gross, of what is open and expected to close in the interval, in stages that are not omitted "
        f"from forecasts, as `computed`; and as {words} have adjusted it, for periods that lie in the interval as a "
        "whole: raised, lowered, or overridden, where the amount stands in place of what is computed for that period, "
        "currency and category, if it is counted itself. Adjustments have no other dimensions, and are not "
        "converted: the amounts that one stands for each have the rate of another day.",
        components={"computed": _expected(IN_CATEGORY), **_judged(whose, IN_CATEGORY)},
        sums={"adjustment": JUDGED},
        numerator=f"computed + {JUDGED}",
        known_by=ADJUSTED_BY,
        dimensions=(by_whom, Dimension("forecast_category"), CURRENCY),
        reached_by=USERS,
        version=2,
        example=example,
    )


def _quota(whose: str) -> Stock:
    return Stock("sales.quota", Sum(), (DayIn("starts_on"), InUse(), Has(whose)))


METRICS = (
    Metric(
        id="sales.close_rate",
        title="Close rate",
        unit=Unit.PERCENT,
        words=f"Opportunities won, over those won or lost in the interval. {ONCE_IN_WORDS}",
        components={"won": Flow(WON, where=ONCE), "lost": Flow(LOST, where=ONCE)},
        numerator="won",
        denominator="won + lost",
        dimensions=OF_OPPORTUNITY,
        version=3,
        example="30 won and 20 lost: 30 / 50 = 60 %.",
    ),
    Metric(
        id="sales.close_rate_value",
        title="Close rate by value",
        unit=Unit.PERCENT,
        words="Value of the opportunities won, over that of those won or lost in the interval. One lost counts with "
        f"its last estimate. {ONCE_IN_WORDS}",
        components={"won": Flow(WON, Sum(), ONCE), "lost": Flow(LOST, Sum(), ONCE)},
        numerator="won",
        denominator="won + lost",
        dimensions=OF_OPPORTUNITY,
        version=3,
        example="Won for 9,000 together, lost ones estimated at 3,000: 9,000 / 12,000 = 75 %.",
    ),
    Metric(
        id="sales.won_value",
        title="Value won",
        unit=Unit.MONEY,
        words="Value of the opportunities won in the interval, gross: what is returned later is not taken off. "
        + ONCE_IN_WORDS,
        components={"value": Flow(WON, Sum(), ONCE), "won": Flow(WON, where=ONCE)},
        numerator="value",
        dimensions=OF_OPPORTUNITY,
        version=3,
        example="Two opportunities won, for 5,000 and 4,000: 9,000.",
    ),
    Metric(
        id="sales.new_revenue",
        title="Revenue from new customers",
        unit=Unit.MONEY,
        words="Orders placed by customers whose first qualifying event lies in the interval, gross: returns are not "
        "taken off.",
        components={"ordered": Flow(PLACED, Sum(), (OfNewCustomer(),))},
        numerator="ordered",
        dimensions=OF_ORDER,
        version=2,
        example="A customer of last year orders for 100, one that is new orders twice for 40: 80.",
    ),
    Metric(
        id="sales.product_revenue",
        title="Revenue by product",
        unit=Unit.MONEY,
        words="What the lines of the orders placed in the interval come to, gross: returns are not taken off. An order "
        "without lines has no products, and does not count; a bundle counts as its components.",
        components={"ordered": Flow(PLACED, Sum(), of_lines=True), "lines": Flow(PLACED, of_lines=True)},
        numerator="ordered",
        dimensions=OF_LINE,
        example="An order with lines of 120 and 30, and one of 99 without lines: 150.",
    ),
    Metric(
        id="sales.net_product_revenue",
        title="Net revenue by product",
        unit=Unit.MONEY,
        words="Net: what the lines of the orders placed in the interval come to, less those of returns, each at its "
        "own time. An order or a return without lines has no products, and does not count.",
        components={
            "ordered": Flow(PLACED, Sum(), of_lines=True),
            "returned": Flow(RETURNED, Sum(), of_lines=True),
        },
        numerator="ordered - returned",
        dimensions=OF_LINE,
        example="An order with lines of 120 and 30, and a return with a line of 40: 110.",
    ),
    Metric(
        id="sales.units_sold",
        title="Units sold",
        unit=Unit.COUNT,
        words="The quantities of the lines of the orders placed in the interval, whatever they are quantities of: by "
        "product or family they say most. A bundle counts as its components.",
        components={"units": Flow(PLACED, Sum("quantity"), of_lines=True)},
        numerator="units",
        dimensions=OF_LINE,
        example="Lines of 3 and of 2.5: 5.5.",
    ),
    Metric(
        id="sales.overdue_invoices",
        title="Overdue invoices",
        unit=Unit.COUNT,
        words="Invoices that are overdue at the end of the interval: not paid when their day was over, nor since, nor "
        "written off or voided.",
        components={"overdue": Stock("sales.invoice", where=(Is("phase", ("overdue",)),))},
        numerator="overdue",
        dimensions=by("currency"),
        example="Three invoices of which one is overdue, and one was and is paid: 1.",
    ),
    Metric(
        id="sales.proposals",
        title="Proposals made",
        unit=Unit.COUNT,
        words="Quotes sent in the interval. One that is revised and sent again counts again.",
        components={"sent": Flow(PROPOSED)},
        numerator="sent",
        dimensions=OF_QUOTE,
        example="Two quotes sent, one of them again as it was revised: 3.",
    ),
    Metric(
        id="sales.proposals_accepted",
        title="Proposals accepted",
        unit=Unit.COUNT,
        words="Quotes accepted in the interval, whenever they were sent.",
        components={"accepted": Flow((QuoteAccepted.type,))},
        numerator="accepted",
        dimensions=OF_QUOTE,
        example="Three sent last month, two of them accepted in this one: 2.",
    ),
    Metric(
        id="sales.new_customers",
        title="New customers",
        unit=Unit.COUNT,
        words="Customers whose first qualifying event lies in the interval.",
        components={"new": Active(new=True)},
        numerator="new",
        example="Three bought in May, one of them in April too: 2 are new in May.",
    ),
    Metric(
        id="sales.retained_customers",
        title="Retained customers",
        unit=Unit.COUNT,
        words="Customers active at the start and at the end.",
        components={"kept": KEPT},
        numerator="kept",
        example="1,000 at the start, 850 of them active at the end: 850.",
    ),
    Metric(
        id="sales.stage_duration",
        title="Stage duration",
        unit=Unit.DAYS,
        words="Mean days that opportunities spent in a stage they left in the interval. Every visit counts.",
        components={
            "time": Flow(LEFT_STAGE, Sum("seconds_in_phase")),
            "visits": Flow(LEFT_STAGE, Count(), (Has("from_phase"),)),
        },
        numerator="time",
        denominator="visits",
        dimensions=OF_STAGE,
        version=3,
        example="One visit of 2 days, and the same opportunity back again for 4: 3 days.",
    ),
    Metric(
        id="sales.stage_duration_median",
        title="Stage duration, median",
        unit=Unit.DAYS,
        words="Median days that opportunities spent in a stage they left in the interval. Every visit counts.",
        components={"median": Flow(LEFT_STAGE, Median("seconds_in_phase"))},
        numerator="median",
        dimensions=OF_STAGE,
        version=3,
        example="Visits of 1, 2 and 30 days: 2 days.",
    ),
    Metric(
        id="sales.cycle_duration",
        title="Sales cycle",
        unit=Unit.DAYS,
        words=f"Mean days from opened to closed, of the opportunities won or lost in the interval. {ONCE_IN_WORDS}",
        components={"time": Flow(CLOSED, Sum("seconds_since_start"), ONCE), "closed": Flow(CLOSED, where=ONCE)},
        numerator="time",
        denominator="closed",
        dimensions=OF_CYCLE,
        version=3,
        example="One closed after 10 days, one after 50: 30 days.",
    ),
    Metric(
        id="sales.cycle_duration_median",
        title="Sales cycle, median",
        unit=Unit.DAYS,
        words=f"Median days from opened to closed, of the opportunities won or lost in the interval. {ONCE_IN_WORDS}",
        components={"median": Flow(CLOSED, Median("seconds_since_start"), ONCE)},
        numerator="median",
        dimensions=OF_CYCLE,
        version=3,
        example="Closed after 10, 20 and 90 days: 20 days.",
    ),
    Metric(
        id="sales.open_opportunities",
        title="Open opportunities",
        unit=Unit.COUNT,
        words="Opportunities open at the end.",
        components={"open": Stock("sales.opportunity", where=OPEN)},
        numerator="open",
        dimensions=IN_PIPELINE,
        at_instant=True,
        version=2,
        example="Five opened, two of them closed before the end: 3.",
    ),
    Metric(
        id="sales.open_pipeline",
        title="Open pipeline",
        unit=Unit.MONEY,
        words="Value of the opportunities open at the end, as last estimated before, gross.",
        components={
            "value": Stock("sales.opportunity", Sum(), OPEN),
            "open": Stock("sales.opportunity", where=OPEN),
        },
        numerator="value",
        dimensions=IN_PIPELINE,
        at_instant=True,
        version=2,
        example="Two open, at 1,000 and 4,000: 5,000.",
    ),
    Metric(
        id="sales.period_forecast",
        title="Forecast of a period",
        unit=Unit.MONEY,
        words="Value, gross, of the opportunities that are open at the end of the interval, or now, are expected to "
        "close in it, and are in a stage that commits to that. The components have the other categories; `closed`, "
        "which is what was won in it; and `open`, which is all that is open and expected to close in it. Where events "
        "do not say the category, it is that of the built-in stage. Beside that, and never in it: `adjustment`, which "
        "is what adjustments of users come to, in the category that commits, and `adjusted`, which is both together. "
        "These are null where the forecast is grouped or filtered by what adjustments lack, which is all but "
        "opportunity_owner, opportunity_team and currency, and where it is converted.",
        components={
            "closed": Flow(WON, Sum(), ONCE),
            **{each: _expected(Is("forecast_category", (each,))) for each in CATEGORIES},
            "open": _expected(),
            **_judged("owner", COMMITTED),
        },
        sums={"adjustment": JUDGED, "adjusted": f"commit + {JUDGED}"},
        known_by=ADJUSTED_BY,
        numerator="commit",
        dimensions=OF_OPPORTUNITY,
        reached_by=USERS,
        version=3,
        example="Won for 5,000; open and expected to close in it 3,000 and 1,000 in stages that commit and 1,000 in "
        "one that does not, and 9,000 expected later: 3,000 + 1,000 = 4,000.",
    ),
    _adjusted(
        "sales.adjusted_forecast",
        "Forecast, adjusted",
        "owner",
        "adjustments of users",
        OPPORTUNITY_OWNER,
        "Ann's 4,000 are lowered by 500, and Bob's 3,000 overridden by 1,000: 7,000 - 500 + 1,000 - 3,000 = 4,500.",
    ),
    _adjusted(
        "sales.team_adjusted_forecast",
        "Forecast of teams, adjusted",
        "team_id",
        "adjustments of teams",
        OPPORTUNITY_TEAM,
        "A team's 7,000, of all in it and in teams within it, are raised by 1,000: 8,000.",
    ),
    Metric(
        id="sales.quota_attainment",
        title="Quota attainment",
        unit=Unit.PERCENT,
        words="Value, gross, of the opportunities won in the interval, over the quotas of users whose period begins in "
        f"it. {ONCE_IN_WORDS} What users without a quota win counts, too: by owner it has no rate. By team it has the "
        "quotas of those in the team, and within it. Quotas are of no customer. Who reads of its own, or of its team, "
        "reads of its own quota and wins, or of theirs, whosever the customers are.",
        components={"won": Flow(WON, Sum(), ONCE), "quota": _quota("owner")},
        numerator="won",
        denominator="quota",
        dimensions=by(OPPORTUNITY_OWNER, OPPORTUNITY_TEAM, "currency"),
        reached_by=USERS,
        version=2,
        example="Won for 9,000 in May, with a quota of 12,000 for that month: 75 %.",
    ),
    Metric(
        id="sales.team_quota_attainment",
        title="Quota attainment of teams",
        unit=Unit.PERCENT,
        words="Value, gross, of the opportunities won in the interval, over the quotas of teams whose period begins in "
        f"it. {ONCE_IN_WORDS} By team, what those in it, and in teams within it, have won is set against its own "
        "quota. As a whole, a team's quota and that of one within it are both counted. A team that is left out takes "
        "with it the quotas of those that its users are in.",
        components={"won": Flow(WON, Sum(), ONCE), "quota": _quota("team_id")},
        numerator="won",
        denominator="quota",
        dimensions=by(OPPORTUNITY_TEAM, "currency"),
        reached_by=USERS,
        version=2,
        example="A team of two wins 9,000 and 6,000 in May, with a quota of 20,000 for that month: 75 %.",
    ),
    Metric(
        id="sales.weighted_pipeline",
        title="Weighted pipeline",
        unit=Unit.MONEY,
        words="Gross value of the opportunities open at the end, times the probability of winning that their stage had "
        "in their pipeline when they came to it. Where events do not say it: "
        + ", ".join(f"{stage} {probability}" for stage, probability in PROBABILITY.items())
        + ".",
        components={"value": Stock("sales.opportunity", LIKELY, OPEN)},
        numerator="value",
        dimensions=IN_PIPELINE,
        at_instant=True,
        version=3,
        example="1,000 in prospecting and 4,000 in proposing: 100 + 2,000 = 2,100.",
    ),
    Metric(
        id="sales.forecast",
        title="Forecast",
        unit=Unit.MONEY,
        words="Gross value of the opportunities open at the end, times the probability of winning that their stage had "
        "in their pipeline when they came to it. Those whose stage is omitted from forecasts are left out. The value "
        "without the probability, and how many they are, stand beside it.",
        components={
            "weighted": Stock("sales.opportunity", LIKELY, FORECAST),
            "value": Stock("sales.opportunity", Sum(), FORECAST),
            "open": Stock("sales.opportunity", where=FORECAST),
        },
        numerator="weighted",
        dimensions=IN_FORECAST,
        at_instant=True,
        example="4,000 at 80 % in commit, 1,000 at 10 % in pipeline, and 500 omitted: 3,200 + 100 = 3,300.",
    ),
)
