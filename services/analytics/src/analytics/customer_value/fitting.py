"""Fits the lifetime models of a tenant: on demand, and before a query when there is no fit yet or it has drifted.

It runs at query time rather than by a timer: a tenant that queries no prediction pays for no fit, and the first query
after four weeks of new purchases checks whether they still match the fit. Fitting takes seconds for 200,000 customers,
in a process of its own and outside of any transaction; one at a time in a process, as it occupies a core.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import text

from analytics.customer_value.fit_store import fits_of, keep, note_checked
from analytics.customer_value.fits import KeptFit, Model, applying, found, is_due
from analytics.customer_value.purchase_base import Buying, PurchaseBase, Purchases
from analytics.customer_value.purchases import Bought, bought, currencies
from kith.db.connections import Database
from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.ids import new_id
from kith.runtime.offload import BACKGROUND, offload

_ONE_AT_A_TIME = asyncio.Lock()
COSTLY = 1.0
"""Seconds: a fit that was refused after longer is not tried again for the same day, except on demand. A likelihood
without a maximum is searched from every start, and a client that polls every minute would occupy a core."""
_REFUSED: dict[tuple[str, date, Model], str] = {}
_MOST_REFUSED = 10_000
LOOK_AGAIN = 3600.0
"""Seconds until the purchases are checked again for new currencies: that scans all purchases, and a fit of few of them
is refused each time."""
_LOOKED: dict[tuple[str, date], float] = {}


class NotFitted(Conflict):
    """There is no fit, and the purchases do not allow one."""

    code = ErrorCode.MODEL_NOT_FITTED


@dataclass(slots=True)
class Refused:
    model: Model
    currency: str | None
    reason: str


@dataclass(slots=True)
class Fitting:
    """The result: one fit of how customers buy, and one of what they spend for each currency."""

    fits: list[KeptFit]
    refused: list[Refused]


class _Key(NamedTuple):
    model: Model
    currency: str | None


async def fit(database: Database, tenant: str, zone: str, until: datetime) -> Fitting:
    """Fits all models anew to what happened before `until`. Raises NotFitted if none can be fitted to the purchases."""
    async with _ONE_AT_A_TIME:
        fitting = await _fit_each(database, tenant, zone, until, lambda _: True, [])
    if not fitting.fits:
        raise NotFitted(fitting.refused[0].reason)
    return fitting


async def keep_fitted(database: Database, tenant: str, zone: str, until: datetime, models: Sequence[Model]) -> None:
    """Ensures that each of these models has a fit to be used at `until`, and that it has not drifted. Raises
    NotFitted."""
    fits = await _fits(database, tenant)
    due = _due(models, fits, until)
    new = await _new_currencies(database, tenant, until, fits) if Model.GAMMA_GAMMA in {*models} - {*due} else set()
    if not due and not new:
        return
    for model in due:
        if known := _REFUSED.get((tenant, until.date(), model)):
            raise NotFitted(known)
    async with _ONE_AT_A_TIME:
        fits = await _fits(database, tenant)  # the previous holder of the lock may have done it
        due = _due(models, fits, until)
        if not due and not new:
            return

        def wanted(key: _Key) -> bool:
            return (key.model in due or key.currency in new) and is_due(fits, key.model, key.currency, until)

        began = monotonic()
        fitting = await _fit_each(database, tenant, zone, until, wanted, fits)
        took = monotonic() - began
    # A fit of later data would score `until` with hindsight, and only if an earlier query was for later.
    there = {each.model for each in (*fits, *fitting.fits) if each.data_until <= until}
    for refused in fitting.refused:
        if refused.model not in there:
            if took > COSTLY and len(_REFUSED) < _MOST_REFUSED:
                _REFUSED[tenant, until.date(), refused.model] = refused.reason
            raise NotFitted(refused.reason)


async def _fits(database: Database, tenant: str) -> list[KeptFit]:
    async with database.read(tenant) as connection:
        return await fits_of(connection, tenant)


async def _new_currencies(database: Database, tenant: str, until: datetime, fits: Sequence[KeptFit]) -> set[str | None]:
    """Returns the currencies with purchases and without a fit of what is spent, unless they were searched a moment
    ago."""
    now = monotonic()
    if now < _LOOKED.get((tenant, until.date()), 0.0):
        return set()
    if len(_LOOKED) >= _MOST_REFUSED:
        _LOOKED.clear()
    _LOOKED[tenant, until.date()] = now + LOOK_AGAIN
    async with database.read(tenant) as connection:
        found = await currencies(connection, tenant, until)
    return {each for each in found if applying(fits, Model.GAMMA_GAMMA, each, until) is None}


def _due(models: Sequence[Model], fits: Sequence[KeptFit], until: datetime) -> list[Model]:
    def kept(model: Model) -> set[str | None]:
        return {each.currency for each in fits if each.model is model} or {None}

    return [model for model in models if any(is_due(fits, model, currency, until) for currency in kept(model))]


async def _fit_each(
    database: Database,
    tenant: str,
    zone: str,
    until: datetime,
    wanted: Callable[[_Key], bool],
    before: Sequence[KeptFit],
) -> Fitting:
    """Fits the models. Of those with a usable fit in `before`, only the drifted ones are fitted."""
    fitting = Fitting([], [])
    for key, buying in (await _buying(database, tenant, zone, until)).items():
        if not wanted(key):
            continue
        old = applying(before, *key, until)
        old = old if old is not None and old.data_until <= until else None
        made = None
        try:
            made = await offload(_found, key.model, buying, old, lane=BACKGROUND)
        except Conflict as error:
            fitting.refused.append(Refused(*key, error.detail))
        async with database.write(tenant) as transaction:
            if made is not None:
                kept = found(new_id(), *key, made, transaction.now, until)
                await keep(transaction.connection, tenant, kept)
                fitting.fits.append(kept)
            elif old is not None:
                await note_checked(transaction.connection, tenant, old.id, until)
    return fitting


def _buying_of(of: Bought, until: datetime, zone: str) -> dict[_Key, Buying]:
    def of_those(purchases: Purchases) -> Buying:
        return PurchaseBase.before(until, of.ids.size, purchases, zone).buying()

    codes = enumerate(of.currencies or (None,))
    return {_Key(Model.BG_NBD, None): of_those(of.purchases)} | {
        _Key(Model.GAMMA_GAMMA, code): of_those(of.purchases.where(of.purchases.currency == index))
        for index, code in codes
    }


async def _buying(database: Database, tenant: str, zone: str, until: datetime) -> dict[_Key, Buying]:
    async with database.read(tenant) as connection:
        await connection.execute(text("SET LOCAL statement_timeout = '60s'"))  # all purchases, once in a while
        found = await bought(connection, tenant, until, zone)
    return await offload(_buying_of, found, until, zone, lane=BACKGROUND)


def _found(model: Model, buying: Buying, old: KeptFit | None) -> Any:
    """Returns a fit, or None if the old one still describes them. Raises ModelNotFitted."""
    from analytics.customer_value import lifetime  # noqa: PLC0415 - SciPy takes its second to load

    _, x, t_x, T, value = buying  # noqa: N806 - the papers' letters
    if old is None:
        return lifetime.fit_bg_nbd(x, t_x, T) if model is Model.BG_NBD else lifetime.fit_gamma_gamma(x, value)
    drift = (
        lifetime.bg_nbd_drift(old.bg_nbd(), x, t_x, T)
        if model is Model.BG_NBD
        else lifetime.gamma_gamma_drift(old.gamma_gamma(), x, value)
    )
    return drift.refit if drift.drifted else None
