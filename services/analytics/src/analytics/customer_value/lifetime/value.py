"""Customer lifetime value, predicted and simple."""

from numpy.typing import ArrayLike

from analytics.customer_value.lifetime.bg_nbd import BgNbdFit, expected_transactions
from analytics.customer_value.lifetime.estimate import Floats
from analytics.customer_value.lifetime.gamma_gamma import GammaGammaFit, expected_value
from kith.errors import Invalid


def predicted_clv(
    transactions: BgNbdFit,
    values: GammaGammaFit,
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    mean_value: ArrayLike,
    horizon: float,
) -> Floats:
    """Returns the expected revenue, per customer, of the next `horizon` weeks: transactions times value. Not
    discounted, and without the first purchase, which is past. NaN where the values have no mean."""
    return expected_transactions(transactions, frequency, recency, age, horizon) * expected_value(
        values, frequency, mean_value
    )


def simple_clv(
    average_order_value: float, orders_per_year: float, yearly_churn: float | None, margin: float = 1.0
) -> float | None:
    """Returns average order value * orders per year * expected years * margin, with 1 / yearly churn for the years.

    Churn and margin are shares, not percentages. None where churn is unknown, or 0: a segment that no customer has left
    yet does not say how long its customers stay, and an infinite value is no figure to plan with. Raises Invalid for a
    churn outside 0 to 1.
    """
    if yearly_churn is not None and not 0 <= yearly_churn <= 1:
        raise Invalid("A share from 0 to 1 is wanted.", field="yearly_churn")
    return average_order_value * orders_per_year / yearly_churn * margin if yearly_churn else None
