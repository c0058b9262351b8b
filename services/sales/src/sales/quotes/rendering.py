"""A quote as a document for the customer. What makes one is a port: HTML comes with Kith."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from html import escape
from typing import Protocol
from uuid import UUID

from kith.scalars.currencies import MINOR_UNITS
from sales.quotes.rules import OUT, QuoteState
from sales.values import Line


@dataclass(frozen=True)
class QuoteDocument:
    """What a document of a quote says."""

    number: str
    """The seller's own, or the quote's id."""
    revision: int
    state: QuoteState
    currency: str
    lines: Sequence[Line]
    value: Decimal
    sent_at: datetime | None
    valid_until: datetime | None
    signature: str | None
    """Who accepted it, for those who may see it."""
    closed_at: datetime | None
    products: Mapping[UUID, str]
    """Their names."""


class Rendering(Protocol):
    """Makes a document of a quote: HTML, PDF."""

    @property
    def media_type(self) -> str: ...

    @property
    def policy(self) -> str:
        """Returns the Content-Security-Policy that the document is shown with."""
        ...

    def render(self, quote: QuoteDocument) -> bytes:
        """Returns the document. What is in the quote is text, whatever it looks like."""
        ...


_STYLE = """
body { color: #1a1a1a; font: 15px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 52rem; padding: 0 1.5rem }
h1 { font-size: 1.6rem; margin: 0 }
dl { display: grid; gap: 0 1rem; grid-template-columns: max-content 1fr; margin: 1.5rem 0 }
dt { color: #595959 }
dd { margin: 0 }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #d9d9d9; padding: .5rem .4rem; text-align: right; vertical-align: top }
th { color: #595959; font-weight: 600 }
th:nth-child(2), td:nth-child(2) { overflow-wrap: anywhere; text-align: left; width: 45% }
td { font-variant-numeric: tabular-nums }
small { color: #595959; display: block }
tfoot td { border: 0; font-size: 1.1rem; font-weight: 600 }
@media print { body { margin: 0; max-width: none } }
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()


@dataclass(frozen=True)
class HtmlRendering:
    """One page that needs nothing else: no script, no font and no picture. In English, instants in UTC."""

    media_type: str = "text/html; charset=utf-8"
    policy: str = (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; sandbox"
    )

    def render(self, quote: QuoteDocument) -> bytes:
        title = escape(f"Quote {quote.number}")
        facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(quote))
        rows = "".join(_row(each, quote) for each in quote.lines)
        head = "".join(f'<th scope="col">{each}</th>' for each in _COLUMNS)
        total = escape(_amount(quote.value, quote.currency))
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
            f"<body><main><h1>{title}</h1><dl>{facts}</dl><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
            f'<tfoot><tr><td></td><td>Total</td><td colspan="{len(_COLUMNS) - 2}">{total}</td></tr></tfoot></table>'
            "</main></body></html>\n"
        ).encode()


_COLUMNS = ("#", "Item", "Quantity", "Unit price", "Discount", "Amount")
_SAYS = {
    QuoteState.DRAFT: "Draft: it is not offered yet",
    QuoteState.ACCEPTED: "Accepted",
    QuoteState.DECLINED: "Declined",
    QuoteState.EXPIRED: "Expired",
    QuoteState.WITHDRAWN: "Withdrawn: it is not offered any more",
}


def _facts(quote: QuoteDocument) -> Iterator[tuple[str, str]]:
    yield "Revision", str(quote.revision)
    if quote.sent_at is not None:
        yield "Date", _day(quote.sent_at)
    if quote.valid_until is not None:
        yield "Valid until", f"{_day(quote.valid_until)}, {quote.valid_until.astimezone(UTC):%H:%M} UTC"
    if quote.state not in OUT:
        closed = "" if quote.closed_at is None else f", {_day(quote.closed_at)}"
        yield "State", f"{_SAYS[quote.state]}{closed}"
    if quote.signature is not None:
        yield "Accepted by", quote.signature


def _row(line: Line, quote: QuoteDocument) -> str:
    name = None if line.product_id is None else quote.products.get(line.product_id)
    first, second = (name, line.description) if name else (line.description or "", None)
    item = escape(first) + (f"<small>{escape(second)}</small>" if second else "")
    off = f"{_number(line.discount_percent)} %" if line.discount_percent else ""
    price, amount = _amount(line.unit_price, quote.currency), _amount(line.amount, quote.currency)
    cells = (str(line.number), item, _number(line.quantity), escape(price), off, escape(amount))
    return f"<tr>{''.join(f'<td>{each}</td>' for each in cells)}</tr>"


def _day(at: datetime) -> str:
    local = at.astimezone(UTC)
    return f"{local.day} {local:%B %Y}"


def _number(number: Decimal) -> str:
    """As `1,234.5`: no more decimals than it has."""
    return f"{number.normalize():,f}"


def _amount(amount: Decimal, currency: str) -> str:
    """As `EUR 1,234.50`: with the decimals of the currency, or more if a price is finer."""
    decimals = max(MINOR_UNITS.get(currency, 4), -_exponent(amount))
    return f"{currency} {amount:,.{decimals}f}"


def _exponent(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return min(exponent, 0)
