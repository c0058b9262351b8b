"""Retention: which customers stayed, left and came back."""

from analytics.metrics.definition import Metric, Unit
from analytics.metrics.measure import Active

START = Active(at_start=True)
END = Active(at_end=True)
NEW = Active(at_end=True, before=False)
BACK = Active(at_start=False, at_end=True, before=True)
KEPT = Active(at_start=True, at_end=True)

METRICS = (
    Metric(
        id="retention.crr",
        title="Customer retention rate",
        unit=Unit.PERCENT,
        words="Customers active at the end, less those new in the interval, over customers active at the start. "
        "Win-backs (W) can push it over 100.",
        components={"S": START, "E": END, "N": NEW, "W": BACK},
        numerator="E - N",
        denominator="S",
        example="1,000 at the start, 1,100 at the end, 200 of them new: (1,100 - 200) / 1,000 = 90 %.",
    ),
    Metric(
        id="retention.cohort",
        title="Cohort retention",
        unit=Unit.PERCENT,
        words="Of the customers active at the start, the share active at the end too.",
        components={"S": START, "E": END, "kept": KEPT},
        numerator="kept",
        denominator="S",
        example="Of 1,000 at the start, 850 are active at the end: 85 %.",
    ),
    Metric(
        id="retention.churn",
        title="Churn rate",
        unit=Unit.PERCENT,
        words="Of the customers active at the start, the share not active at the end: 100 less cohort retention.",
        components={"S": START, "E": END, "kept": KEPT},
        numerator="S - kept",
        denominator="S",
        example="Of 1,000 at the start, 850 are active at the end: (1,000 - 850) / 1,000 = 15 %.",
    ),
    Metric(
        id="retention.churned",
        title="Churned customers",
        unit=Unit.COUNT,
        words="Customers active at the start and not at the end.",
        components={"S": START, "kept": KEPT},
        numerator="S - kept",
        example="1,000 at the start, 850 of them active at the end: 150.",
    ),
    Metric(
        id="retention.winbacks",
        title="Win-backs",
        unit=Unit.COUNT,
        words="Customers active at the end who were not at the start, but had been customers before.",
        components={"W": BACK},
        numerator="W",
        example="Anna buys in January and July: not active on 1 June, active on 1 September. From June to August: 1.",
    ),
    Metric(
        id="customers.active",
        title="Active customers",
        unit=Unit.COUNT,
        words="Customers active at the end: with a qualifying event in the activity window before it.",
        components={"E": END},
        numerator="E",
        at_instant=True,
        example="With a window of 90 days, one last bought 90 days before the end, another 91 days before: 1.",
    ),
)
