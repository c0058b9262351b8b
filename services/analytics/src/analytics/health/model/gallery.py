"""The gallery: health models to start from, one per trade, each at the pace of that trade.

They are documents as a tenant would write them, and no better than a guess: a backtest shows what is healthy in a
business. Some measures read events that no service publishes yet. They are left out of the score until one does, and
count in coverage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]


@dataclass(frozen=True)
class ReadyMade:
    description: str
    document: Mapping[str, Any]


def _model(title: str, description: str, *measures: Mapping[str, Any], **more: object) -> ReadyMade:
    return ReadyMade(description, {"title": title, "measures": list(measures), **more})


def _measure(
    group: str, id: str, title: str, input: str, weight: float, *curve: Point, **more: object
) -> dict[str, Any]:
    points = [list(point) for point in curve]
    return {"id": id, "title": title, "input": input, "group": group, "weight": weight, "curve": points, **more}


FROM_THEM = {"direction": ["inbound"]}
"""A message of ours without a reply is no sign of life."""
IN_PERSON = {"channel": ["phone", "visit", "chat"]}


def _pulse(weight: float) -> dict[str, Any]:
    return _measure("people", "pulse", "Pulse of whoever looks after them", "pulse", weight, (0, 0), (100, 100))


GALLERY: Mapping[str, ReadyMade] = {
    "subscription-software": _model(
        "Subscription software",
        "Use is the relationship: who works with the product every week renews. Asking for support is a good sign up "
        "to a point, so its curve rises first and falls later. A renewal that is near makes everything else count "
        "sooner, and weighs little itself.",
        _measure("use", "usage", "Use in 30 days", "usage", 0.22, (0, 0), (20, 50), (100, 85), (400, 100)),
        _measure(
            "use", "adoption", "Share of what was bought that is used", "feature_adoption", 0.13,
            (0, 0), (0.3, 50), (0.7, 90), (1, 100),
        ),
        _measure(
            "use", "seats", "Seats against half a year before", "seat_growth", 0.08,
            (0.5, 0), (0.9, 40), (1, 65), (1.25, 100), window_days=180,
        ),
        _measure(
            "people", "breadth", "People who speak with us", "breadth", 0.08, (0, 0), (1, 40), (3, 80), (5, 100),
            where=FROM_THEM,
        ),
        _measure(
            "people", "last_word", "Last word from them", "engagement_recency", 0.07,
            (0, 100), (30, 80), (90, 40), (180, 0), where=FROM_THEM,
        ),
        _pulse(0.10),
        _measure(
            "service", "support", "Asking for support", "support", 0.08, (0, 50), (2, 90), (3, 100), (6, 70), (15, 20)
        ),
        _measure("service", "open_cases", "Open cases", "open_cases", 0.08, (0, 100), (2, 60), (5, 0)),
        _measure("service", "nps", "Would recommend us", "nps", 0.06, (0, 0), (6, 30), (8, 70), (10, 100)),
        _measure("contract", "renewal", "Nearness of the renewal", "renewal", 0.05, (0, 30), (90, 80), (180, 100)),
        _measure(
            "contract", "overdue", "Overdue invoices", "overdue_invoices", 0.05, (0, 100), (1, 40), (2, 0)
        ),
    ),
    "retail": _model(
        "Retail",
        "No contract holds anybody: the next order is all there is. Recency and frequency carry most of it, the trend "
        "of what is spent shows who buys elsewhere, and many returns show who is not pleased.",
        _measure(
            "purchases", "recency", "Recency of purchase", "purchase_recency", 0.35,
            (0, 100), (30, 75), (60, 40), (90, 10), (120, 0),
        ),
        _measure("purchases", "frequency", "Orders in a year", "orders", 0.25, (0, 0), (1, 40), (4, 75), (12, 100)),
        _measure(
            "purchases", "trend", "Spending against half a year before", "revenue_trend", 0.15,
            (0, 0), (0.5, 40), (1, 70), (1.5, 100), window_days=180,
        ),
        _measure("satisfaction", "returns", "Returns in a year", "returns", 0.10, (0, 100), (1, 80), (3, 30), (6, 0)),
        _measure("satisfaction", "complaints", "Complaints", "complaints", 0.05, (0, 100), (1, 50), (3, 0)),
        _measure(
            "loyalty", "answers", "Exchanges they began", "engagement", 0.05,
            (0, 40), (2, 75), (6, 100), where={"channel": ["email", "web", "social"], **FROM_THEM},
        ),
        _measure(
            "loyalty", "tier", "Loyalty tier", "loyalty_tier", 0.05, (1, 60), (3, 100),
            values={"bronze": 1, "silver": 2, "gold": 3},
        ),
    ),
    "beauty-salon": _model(
        "Beauty salon",
        "A slow cadence: six weeks without a visit are nothing, three months are a farewell that nobody said. So the "
        "curve of recency is flat at first and steep after ten weeks. Guests come by word of mouth: a referral counts.",
        _measure(
            "visits", "recency", "Last visit", "purchase_recency", 0.45,
            (0, 100), (45, 100), (70, 65), (100, 30), (150, 0),
        ),
        _measure("visits", "frequency", "Visits in a year", "orders", 0.25, (0, 0), (2, 40), (5, 75), (9, 100)),
        _measure("word of mouth", "referrals", "Guests they sent us", "referrals", 0.10, (0, 50), (1, 85), (3, 100)),
        _measure(
            "satisfaction", "csat", "Satisfaction after the visit", "csat", 0.10, (1, 0), (3, 40), (4, 75), (5, 100)
        ),
        _measure("satisfaction", "complaints", "Complaints", "complaints", 0.05, (0, 100), (1, 40), (2, 0)),
        _pulse(0.05),
        hysteresis=3,
    ),
    "b2b-hardware": _model(
        "B2B hardware",
        "Years lie between purchases, so what happens between them counts: are we in touch, with how many of their "
        "people, is something in the pipeline, and does service keep its word. Purchases are looked at over years.",
        _measure(
            "purchases", "recency", "Recency of purchase", "purchase_recency", 0.20,
            (0, 100), (180, 90), (365, 60), (730, 20), (1095, 0),
        ),
        _measure(
            "purchases", "trend", "Spending against the year before", "revenue_trend", 0.15,
            (0, 10), (0.5, 40), (1, 70), (1.5, 100), window_days=365,
        ),
        _measure(
            "purchases", "pipeline", "Open opportunities", "open_opportunities", 0.10, (0, 40), (1, 80), (3, 100)
        ),
        _measure(
            "people", "breadth", "People we speak with", "breadth", 0.10,
            (0, 0), (1, 40), (3, 80), (6, 100), window_days=180, where=IN_PERSON,
        ),
        _measure(
            "people", "last_talk", "Last talk or visit", "engagement_recency", 0.10,
            (0, 100), (60, 80), (180, 30), (365, 0), where=IN_PERSON,
        ),
        _pulse(0.10),
        _measure(
            "service", "sla", "Cases resolved too late", "sla_breaches", 0.10, (0, 100), (1, 60), (3, 10), (4, 0),
            window_days=365,
        ),
        _measure("service", "open_cases", "Open cases", "open_cases", 0.05, (0, 100), (2, 60), (6, 0)),
        _measure(
            "service", "reopened", "Cases that came back", "reopened_cases", 0.05, (0, 100), (1, 50), (3, 0),
            window_days=365,
        ),
        _measure(
            "contract", "overdue", "Overdue invoices", "overdue_invoices", 0.05, (0, 100), (1, 50), (3, 0)
        ),
    ),
    "media": _model(
        "Media",
        "A habit, kept or lost within weeks: what was read or watched fades by half in a fortnight, and an exchange a "
        "month ago is long ago. Whoever has stayed for a year mostly stays on. A payment that failed is often the end.",
        _measure(
            "habit", "usage", "Reading and watching", "usage", 0.35, (0, 0), (3, 40), (12, 80), (30, 100),
            half_life_days=14,
        ),
        _measure(
            "habit", "answers", "Answers by e-mail and web", "engagement", 0.20, (0, 0), (2, 50), (6, 100),
            half_life_days=21, where={"channel": ["email", "web", "social"], **FROM_THEM},
        ),
        _measure(
            "habit", "last_word", "Last word from them", "engagement_recency", 0.15,
            (0, 100), (7, 90), (21, 50), (45, 10), (60, 0), where=FROM_THEM,
        ),
        _measure(
            "contract", "tenure", "How long they have stayed", "tenure", 0.10,
            (0, 40), (90, 60), (365, 85), (1095, 100),
        ),
        _measure("contract", "overdue", "Payments that failed", "overdue_invoices", 0.10, (0, 100), (1, 30), (2, 0)),
        _measure("contract", "renewal", "Nearness of the renewal", "renewal", 0.05, (0, 40), (30, 80), (60, 100)),
        _measure("satisfaction", "complaints", "Complaints", "complaints", 0.05, (0, 100), (1, 50), (3, 0)),
        bands={"steady": 35, "healthy": 65},
    ),
}  # fmt: skip
"""By name."""
