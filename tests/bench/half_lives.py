"""A model of 17 measures, ten of which fade by four half-lives: the kind that takes longest to score by."""

from typing import Any

_RISING, _FALLING = [[0, 0], [1, 50], [4, 100]], [[0, 100], [1, 60], [4, 0]]
_AMOUNT = [[0, 0], [300, 40], [900, 80], [3000, 100]]


def _measure(id: str, input: str, curve: list[list[int]], **fields: Any) -> dict[str, Any]:
    return {"id": id, "input": input, "weight": 1, "curve": curve, **fields}


DOCUMENT: dict[str, Any] = {
    "title": "Fading",
    "measures": [
        _measure("recency", "purchase_recency", [[0, 100], [30, 80], [60, 50], [120, 10], [240, 0]]) | {"weight": 3},
        *[_measure(f"orders_{days}", "orders", _RISING, half_life_days=days) for days in (14, 30, 90, 180)],
        *[_measure(f"spent_{days}", "revenue", _AMOUNT, half_life_days=days) for days in (14, 30, 90, 180)],
        *[_measure(f"returns_{days}", "returns", _FALLING, half_life_days=days) for days in (14, 90)],
        _measure("orders_year", "orders", [[0, 0], [3, 50], [20, 100]], window_days=365),
        _measure("orders_now", "orders", _RISING, window_days=60),
        _measure("trend", "revenue_trend", [[0, 0], [1, 60], [2, 100]]),
        _measure("trend_month", "revenue_trend", [[0, 0], [1, 60], [2, 100]], window_days=30),
        _measure("returns", "returns", _FALLING, window_days=180),
        _measure("open_cases", "open_cases", _FALLING),
    ],
    "hysteresis": 2,
}
