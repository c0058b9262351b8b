"""The roastery's health model: who drinks its coffee week by week, and whether they are pleased."""

from typing import Any

from kith_local.replay.commands import Reference


def roastery(cups: Reference) -> dict[str, Any]:
    """`cups`: the signal of the machines' counters."""
    return {
        "title": "Roastery",
        "measures": [
            {
                "id": "recency",
                "title": "Last order",
                "group": "orders",
                "input": "purchase_recency",
                "weight": 0.30,
                "curve": [[0, 100], [35, 90], [60, 50], [120, 10], [180, 0]],
            },
            {
                "id": "trend",
                "title": "Spending against the quarter before",
                "group": "orders",
                "input": "revenue_trend",
                "window_days": 90,
                "weight": 0.15,
                "curve": [[0, 0], [0.5, 40], [1, 75], [1.5, 100]],
            },
            {
                "id": "cups",
                "title": "Cups in a week",
                "group": "use",
                "input": "signal",
                "signal": cups,
                "aggregate": "mean",
                "window_days": 28,
                "weight": 0.15,
                "curve": [[0, 0], [150, 40], [400, 85], [800, 100]],
            },
            {
                "id": "last_word",
                "title": "Last word from them",
                "group": "people",
                "input": "engagement_recency",
                "where": {"direction": ["inbound"]},
                "weight": 0.10,
                "curve": [[0, 100], [60, 70], [180, 20], [365, 0]],
            },
            {
                "id": "pulse",
                "title": "What their owner thinks",
                "group": "people",
                "input": "pulse",
                "weight": 0.15,
                "curve": [[0, 0], [100, 100]],
            },
            {
                "id": "open_cases",
                "title": "Open cases",
                "group": "service",
                "input": "open_cases",
                "weight": 0.15,
                "curve": [[0, 100], [1, 70], [3, 10], [4, 0]],
            },
        ],
    }
