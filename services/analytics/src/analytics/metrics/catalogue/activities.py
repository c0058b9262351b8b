"""Activities of sales: calls, visits and inquiries."""

from analytics.metrics.definition import Metric, Unit, by, of
from analytics.metrics.measure import Count, Did, DistinctCount, Flow, Has, Is, Key
from kith.events.activities import ActivityHeld, ActivityRecorded

TOOK_PLACE = (ActivityRecorded.type, ActivityHeld.type)
CALL = Is("kind", ("call",))
CALL_OR_VISIT = Is("kind", ("call", "visit"))
OF_ACTIVITY = of("activity", "owner", "outcome")

METRICS = (
    Metric(
        id="sales.calls",
        title="Calls",
        unit=Unit.COUNT,
        words="Calls that took place in the interval, as activities record them, from either side. One that was "
        "planned counts when it was held.",
        components={"calls": Flow(TOOK_PLACE, Count(), (CALL,))},
        numerator="calls",
        dimensions=by("direction", *OF_ACTIVITY),
        example="Two calls recorded, one planned and held, one planned and missed: 3.",
    ),
    Metric(
        id="sales.inquiries",
        title="Inquiries",
        unit=Unit.COUNT,
        words="Inquiries of customers in the interval, as activities record them.",
        components={"inquiries": Flow(TOOK_PLACE, Count(), (Is("kind", ("inquiry",)),))},
        numerator="inquiries",
        dimensions=by(*OF_ACTIVITY),
        example="Two inquiries and a call: 2.",
    ),
    Metric(
        id="sales.calls_per_opportunity",
        title="Calls and visits per opportunity",
        unit=Unit.COUNT,
        words="Calls and visits that took place in the interval for an opportunity, over the distinct opportunities "
        "that they were for. An opportunity without any is not looked at; one counts under what its last call or visit "
        "in the interval was.",
        components={
            "calls": Flow(TOOK_PLACE, Count(), (CALL_OR_VISIT, Has("opportunity_id"))),
            "opportunities": DistinctCount(
                (Did(TOOK_PLACE, in_interval=True, where=(CALL_OR_VISIT,)),), key=Key.OPPORTUNITY
            ),
        },
        numerator="calls",
        denominator="opportunities",
        dimensions=by("direction", *of("activity", "kind", "owner")),
        example="Three calls and a visit for one opportunity, two calls for another, and a call for none: 6 / 2 = 3.",
    ),
)
