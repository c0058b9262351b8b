"""Leads: how many there are, and what becomes of them."""

from analytics.metrics.definition import Dimension, Metric, Unit, by, of
from analytics.metrics.measure import Flow, Is, Stock
from kith.events.leads import LeadCaptured, LeadConverted, LeadDisqualified, LeadQualified

QUALIFIED, DISQUALIFIED = (LeadQualified.type,), (LeadDisqualified.type,)
OF_LEAD = by("campaign", *of("lead", "source", "owner", "country"), Dimension("lead_queue", stored_as="queue_id"))
OPEN_LEAD = Is("phase", ("new", "working", "nurturing", "qualified", "converting"))

METRICS = (
    Metric(
        id="sales.leads",
        title="Leads",
        unit=Unit.COUNT,
        words="Leads captured in the interval. One of an address that an open lead has counts, too.",
        components={"leads": Flow((LeadCaptured.type,))},
        numerator="leads",
        dimensions=OF_LEAD,
        example="Three leads of a fair and two of the website: 5.",
    ),
    Metric(
        id="sales.open_leads",
        title="Open leads",
        unit=Unit.COUNT,
        words="Leads that are new, worked on, nurtured, qualified or being converted at the end.",
        components={"open": Stock("sales.lead", where=(OPEN_LEAD,))},
        numerator="open",
        dimensions=(Dimension("lead_state", stored_as="phase"), *OF_LEAD),
        at_instant=True,
        example="Five captured, one of them disqualified and one qualified before the end: 4.",
    ),
    Metric(
        id="sales.lead_qualification_rate",
        title="Lead qualification rate",
        unit=Unit.PERCENT,
        words="Leads qualified, over those qualified or disqualified in the interval. Each time counts.",
        components={"qualified": Flow(QUALIFIED), "disqualified": Flow(DISQUALIFIED)},
        numerator="qualified",
        denominator="qualified + disqualified",
        dimensions=OF_LEAD,
        example="Three qualified and nine disqualified: 3 / 12 = 25 %.",
    ),
    Metric(
        id="sales.lead_conversion_rate",
        title="Lead conversion rate",
        unit=Unit.PERCENT,
        words="Leads converted, over those converted or disqualified in the interval.",
        components={"converted": Flow((LeadConverted.type,)), "disqualified": Flow(DISQUALIFIED)},
        numerator="converted",
        denominator="converted + disqualified",
        dimensions=OF_LEAD,
        example="Two converted and six disqualified: 2 / 8 = 25 %.",
    ),
)
