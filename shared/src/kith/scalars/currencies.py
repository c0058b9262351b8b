"""Currencies: the active codes of ISO 4217 that have a minor unit, which leaves out metals, test codes and the like."""

from decimal import ROUND_HALF_UP, Context, Decimal

from iso4217 import Currency

from kith.errors import Invalid

MINOR_UNITS: dict[str, int] = {each.code: each.exponent for each in Currency if each.exponent is not None}
"""Code -> how many decimals its amounts have: 2 for EUR, 0 for JPY, 3 for BHD."""


def misfit(amount: Decimal, currency: str | None) -> str | None:
    """Returns why no amount of the currency is that, if so. A code that ISO 4217 has no more fits every amount: what
    was recorded in it before can still be handled."""
    decimals = None if currency is None else MINOR_UNITS.get(currency)
    if decimals is None or amount == round(amount, decimals):
        return None
    if decimals == 0:
        return f"{currency} has no minor unit: an amount in it is a whole number."
    return f"An amount in {currency} has {decimals} decimals at most."


def must_fit(value: Decimal | None, currency: str) -> None:
    """Raises Invalid for a value that is no amount of the currency."""
    if value is not None and (rule := misfit(value, currency)):
        raise Invalid(rule, field="value")


def shared_out(amount: Decimal, among: int | Decimal) -> Decimal:
    """Returns an amount divided, rounded to four decimals; half of the last one goes up. It is no amount that anybody
    pays, so its currency's minor unit does not matter."""
    return _EXACT.divide(amount, Decimal(among)).quantize(Decimal(1).scaleb(-_KEPT), context=_EXACT)


def priced(quantity: Decimal, unit_price: Decimal, discount_percent: Decimal, currency: str) -> Decimal:
    """Returns the amount of a line: quantity * unit price, less the discount, rounded once, at the end, to the
    currency's minor unit; half of a unit goes up. No other module rounds amounts."""
    exact = _EXACT.multiply(_EXACT.multiply(quantity, unit_price), _EXACT.subtract(Decimal(100), discount_percent))
    return _rounded(_EXACT.divide(exact, Decimal(100)), currency)


def most_rounded(quantity: Decimal, currency: str) -> Decimal:
    """Returns by how much a share of an amount may differ from what it is to be: its price for one is rounded to four
    decimals, and the amount, all shares up to one and those before it are each rounded themselves."""
    return quantity.scaleb(-_KEPT) + Decimal(2).scaleb(-MINOR_UNITS.get(currency, _KEPT))


def part_of(amount: Decimal, quantity: Decimal, whole: Decimal, currency: str) -> Decimal:
    """Returns what a quantity comes to, where the whole comes to `amount`; rounded to the currency's minor unit, half
    of a unit up. What parts come to need not add up: take what all of them come to up to one, less that before it."""
    return _rounded(_EXACT.divide(_EXACT.multiply(amount, quantity), whole), currency)


def _rounded(exact: Decimal, currency: str) -> Decimal:
    unit = Decimal(1).scaleb(-MINOR_UNITS.get(currency, _KEPT))
    return exact.quantize(unit, context=_EXACT).quantize(Decimal(1).scaleb(-_KEPT), context=_EXACT)


_KEPT = 4
"""Amounts are kept, and published, with four decimals."""
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""Products of what inputs may have are exact: they have 36 digits at most."""
