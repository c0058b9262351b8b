"""Maximum likelihood: the most likely parameters, and their standard errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from kith.error_codes import ErrorCode
from kith.errors import Conflict

P = TypeVar("P", bound=tuple[float, ...])
Floats = NDArray[np.float64]
Score = Callable[[Floats], tuple[float, Floats]]
"""The log-likelihood of the parameters, and its gradient in their logarithms."""

REPEATERS_A_PARAMETER = 10
"""Customers who bought again, per parameter: with fewer, estimates are biased (the rule of ten events per variable,
Peduzzi and others 1996). Customers who bought once carry little information on when they leave or what they spend."""
STEPS = 200
WORTH_ANOTHER_STEP = 1e-6
"""The log-likelihood still to be gained: parameters then are within a thousandth of their standard errors."""
FLAT = 0.4
"""The part of a parameter in the flattest direction of the likelihood from which on it is named."""
KNOWS_NOTHING = 5.0
"""The standard error of a parameter's logarithm from which on the parameter is undetermined: it is known to a factor of
e^10 either way."""


class ModelNotFitted(Conflict):
    """The purchases of the customers do not determine the model's parameters."""

    code = ErrorCode.MODEL_NOT_FITTED


@dataclass(frozen=True)
class Fit(Generic[P]):
    """The estimated parameters. A search that has not converged raises instead."""

    parameters: P
    standard_errors: P
    log_likelihood: float
    customers: int


def refuse_below_minimum(repeaters: int, parameters: int) -> None:
    """Raises ModelNotFitted if too few customers bought again."""
    minimum = parameters * REPEATERS_A_PARAMETER
    if repeaters < minimum:
        raise ModelNotFitted(f"{repeaters} customers bought again; to fit {parameters} parameters takes {minimum}.")


def maximise(
    model: Callable[..., P], names: Sequence[str], score: Score, starts: Sequence[P], customers: int
) -> Fit[P]:
    """Returns the fit with the highest likelihood, from the first of the starts that leads to one.

    Parameters are positive, so the search is in their logarithms: no bounds, and steps in proportion. Standard errors
    are from the observed information, the curvature at the maximum, transformed by the delta method: `se(θ) = θ *
    se(log θ)`. Raises ModelNotFitted with the reason if no start leads to a maximum.
    """
    for start in starts:
        theta = _climb(score, np.log(start), customers)
        values = np.exp(theta)
        information = _information(score, theta)
        if (errors := _errors(score, theta, information)) is not None:
            log_likelihood, _ = score(theta)
            return Fit(model(*values.tolist()), model(*(values * errors).tolist()), log_likelihood, customers)
    flat = np.abs(np.linalg.eigh(information).eigenvectors[:, 0]) > FLAT
    undecided = ", ".join(f"{names[i]} ({values[i]:.3g})" for i in np.flatnonzero(flat).tolist())
    raise ModelNotFitted(
        f"The likelihood of these {customers} customers has no maximum that could be found from {len(starts)} starts; "
        f"last it hardly changed with {undecided}."
    )


def _climb(score: Score, start: Floats, customers: int) -> Floats:
    """Climbs by Newton's method within a trust region, which also works where the likelihood is not concave. The
    likelihood is per customer, so that tolerances mean the same for a hundred as for a million."""

    def cost(theta: Floats) -> tuple[float, Floats]:
        log_likelihood, slope = score(theta)
        return -log_likelihood / customers, -slope / customers

    def curvature(theta: Floats) -> Floats:
        return _information(score, theta) / customers

    found = minimize(
        cost,
        start,
        method="trust-exact",
        jac=True,
        hess=curvature,
        options={"gtol": 1e-9, "maxiter": STEPS, "initial_trust_radius": 1.0, "max_trust_radius": 2.0},
    )
    return np.asarray(found.x, np.float64)


def _information(score: Score, theta: Floats, step: float = 1e-4) -> Floats:
    """Returns the observed information in the logarithms: by central differences of the gradient, which is exact
    itself."""
    rows = [score(theta - dx)[1] - score(theta + dx)[1] for dx in np.eye(theta.size) * step]
    hessian = np.stack(rows) / (2 * step)
    return (hessian + hessian.T) / 2


def _errors(score: Score, theta: Floats, information: Floats) -> Floats | None:
    """Returns the standard errors of the logarithms; None if this is no maximum."""
    if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0:
        return None
    covariance = np.linalg.inv(information)
    errors = np.sqrt(np.diag(covariance))
    _, slope = score(theta)
    still_to_gain = float(slope @ covariance @ slope) / 2
    return errors if still_to_gain < WORTH_ANOTHER_STEP and errors.max() < KNOWS_NOTHING else None
