"""Fits: the parameters of a tenant's lifetime models, stored with their standard errors and the data they were
estimated from.

SciPy is not imported at the top: code that only looks up a fit does not wait for it to load.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from analytics.customer_value.lifetime import BgNbdFit, GammaGammaFit


class Model(StrEnum):
    BG_NBD = "bg_nbd"
    """How often customers buy, and when they leave."""
    GAMMA_GAMMA = "gamma_gamma"
    """What they spend: a fit per currency."""


NEEDED: Mapping[str, tuple[Model, ...]] = {
    "p_alive": (Model.BG_NBD,),
    "predicted": (Model.BG_NBD, Model.GAMMA_GAMMA),
}
"""The models that each score needs."""

CHECK_AFTER = timedelta(weeks=4)
"""The amount of newer data after which the fit is checked for drift: a month of purchases shows it, a day's would only
cost."""


@dataclass(slots=True)
class KeptFit:
    """A stored fit. Time is in weeks, money in the currency's units."""

    id: UUID
    model: Model
    currency: str | None
    """Null for a model without money."""
    fitted_at: datetime
    data_until: datetime
    """The fit used purchases before this instant."""
    checked_until: datetime
    """The fit still described the purchases before this instant."""
    parameters: dict[str, float]
    standard_errors: dict[str, float]
    log_likelihood: float
    customers: int
    time_unit: str = "week"

    def bg_nbd(self) -> "BgNbdFit":
        from analytics.customer_value.lifetime import BgNbd, Fit  # noqa: PLC0415 - see above

        return Fit(BgNbd(**self.parameters), BgNbd(**self.standard_errors), self.log_likelihood, self.customers)

    def gamma_gamma(self) -> "GammaGammaFit":
        from analytics.customer_value.lifetime import Fit, GammaGamma  # noqa: PLC0415

        model = GammaGamma
        return Fit(model(**self.parameters), model(**self.standard_errors), self.log_likelihood, self.customers)


def found(id: UUID, model: Model, currency: str | None, fit: Any, fitted_at: datetime, until: datetime) -> KeptFit:
    """Returns the fit to store, from a result of analytics.customer_value.lifetime."""
    return KeptFit(
        id,
        model,
        currency,
        fitted_at,
        until,
        until,
        fit.parameters._asdict(),
        fit.standard_errors._asdict(),
        fit.log_likelihood,
        fit.customers,
    )


def applying(fits: Iterable[KeptFit], model: Model, currency: str | None, at: datetime) -> KeptFit | None:
    """Returns the fit with the newest data that does not reach past `at`, so that the past is scored without hindsight;
    if all do, the oldest: for the early periods of a series whose end has a fit, it is the best available."""
    of_model = sorted(
        (each for each in fits if each.model is model and each.currency == currency),
        key=lambda fit: (fit.data_until, fit.id),
    )
    past = [fit for fit in of_model if fit.data_until <= at]
    return past[-1] if past else next(iter(of_model), None)


def is_due(fits: Iterable[KeptFit], model: Model, currency: str | None, until: datetime) -> bool:
    """Whether it must be fitted, or checked again, before it is used at `until`."""
    fits = list(fits)
    last = applying(fits, model, currency, until)
    if last is None or last.data_until > until:
        return True
    newer = any(each.data_until > until for each in fits if (each.model, each.currency) == (model, currency))
    return not newer and until - last.checked_until > CHECK_AFTER
