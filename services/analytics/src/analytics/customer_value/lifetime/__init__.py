"""Customer lifetime value: predicts a customer's future purchases from those so far.

Arrays in, arrays out, one element per customer. Time is in weeks, money in the unit of the values. Everything here is
importable from the package; import it where a figure is computed rather than at the top of a process that may never
need it, as SciPy takes a second to load.
"""

from analytics.customer_value.lifetime.bg_nbd import BgNbd, BgNbdFit, expected_transactions, fit_bg_nbd, p_alive
from analytics.customer_value.lifetime.drift import DRIFT, Drift, DriftThreshold, bg_nbd_drift, gamma_gamma_drift
from analytics.customer_value.lifetime.estimate import Fit, ModelNotFitted
from analytics.customer_value.lifetime.gamma_gamma import GammaGamma, GammaGammaFit, expected_value, fit_gamma_gamma
from analytics.customer_value.lifetime.history import Histories, summary
from analytics.customer_value.lifetime.value import predicted_clv, simple_clv

__all__ = [
    "DRIFT",
    "BgNbd",
    "BgNbdFit",
    "Drift",
    "DriftThreshold",
    "Fit",
    "GammaGamma",
    "GammaGammaFit",
    "Histories",
    "ModelNotFitted",
    "bg_nbd_drift",
    "expected_transactions",
    "expected_value",
    "fit_bg_nbd",
    "fit_gamma_gamma",
    "gamma_gamma_drift",
    "p_alive",
    "predicted_clv",
    "simple_clv",
    "summary",
]
