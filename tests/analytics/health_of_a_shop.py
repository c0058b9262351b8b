"""A model that stays as it is, whatever the default one becomes: what these tests reckon with."""

from typing import Any

from analytics.health.model.definition import HealthModel

DOCUMENT: dict[str, Any] = {
    "title": "Shop",
    "measures": [
        {
            "id": "recency",
            "title": "Recency of purchase",
            "input": "purchase_recency",
            "weight": 0.45,
            "curve": [[0, 100], [30, 90], [90, 50], [180, 10], [270, 0]],
        },
        {
            "id": "frequency",
            "title": "Orders in a year",
            "input": "orders",
            "window_days": 365,
            "weight": 0.35,
            "curve": [[0, 0], [1, 40], [4, 75], [12, 100]],
        },
        {
            "id": "open_cases",
            "title": "Open cases",
            "input": "open_cases",
            "weight": 0.20,
            "curve": [[0, 100], [1, 70], [3, 20], [5, 0]],
        },
    ],
    "hysteresis": 2,
}
SHOP = HealthModel.from_document("default", 1, DOCUMENT)
"""Named like the default one, and worded like it."""
