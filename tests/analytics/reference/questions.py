"""What is queried of each set, by period, by dimension and with filters: intervals that begin at midnight and in the
middle of a day, on the instant of an order and before there was any, in zones with offsets and across clock changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.analytics.reference.figures import FIGURES, UTC, Filter, periods

CUSTOMER = {"segment", "tier", "kind", "country", "source", "owner", "tag", "ultimate_parent", "within"}


def only(dimension: str, *values: str) -> Filter:
    return Filter(dimension, values)


def without(dimension: str, *values: str) -> Filter:
    return Filter(dimension, values, excludes=True)


KNOWN = without("tag", "unidentified")


@dataclass(frozen=True)
class Question:
    of: str
    start: datetime
    end: datetime
    grain: str | None = None
    by: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    zone: str = "UTC"

    def __str__(self) -> str:
        filters = (f"{each.dimension}{'!' * each.excludes}={'|'.join(each.values)}" for each in self.filters)
        interval = f"{self.start:%y-%m-%dT%H:%M} {self.end:%y-%m-%dT%H:%M}"
        return " ".join([self.of, interval, self.grain or "whole", *self.by, *filters, self.zone.rpartition("/")[2]])

    def known_as(self, users: Mapping[str, str]) -> "Question":
        """With the services' ids of users instead of their names."""
        filters = (
            each._replace(values=tuple(users.get(value, value) for value in each.values)) for each in self.filters
        )
        return replace(self, filters=tuple(filters))

    @property
    def periods(self) -> list[datetime]:
        return periods(self.start, self.end, self.grain, ZoneInfo(self.zone))

    @property
    def params(self) -> dict[str, str | list[str]]:
        params: dict[str, str | list[str]] = {
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "groupBy": list(self.by),
            "filter": [f"{each.dimension}:{'!' * each.excludes}{','.join(each.values)}" for each in self.filters],
        }
        if self.grain is not None:
            params["grain"] = self.grain
        if self.zone != "UTC":  # which the tenants have, as they have set none
            params["zone"] = self.zone
        return params

    @property
    def metrics(self) -> Iterator[str]:
        """Metrics that can be sliced so, and that have to do with the set."""
        wanted = {*self.by, *(each.dimension for each in self.filters)}
        for id, figure in FIGURES.items():
            if id.startswith(ABOUT[self.of]) and wanted <= CUSTOMER | set(figure.own):
                yield id


CUSTOMERS_VALUE = ("retention.", "loyalty.", "customers.", "revenue", "orders", "arpu", "ror", "clv.", "rfm")
ABOUT = {
    "retail": (*CUSTOMERS_VALUE, "sales.new_", "sales.retained_"),
    "b2b": (*CUSTOMERS_VALUE, "sales.", "marketing.cross_sell", "marketing.up_sell"),
    "desk": ("service.", "ror"),
    "bank": ("marketing.", "sales.", "retention.", "clv."),
    "saas": ("mrr", "nrr", "grr"),
}


def ask(
    of: str, start: str, end: str, grain: str | None = None, *by: str, cut: Filter | None = None, zone: str = "UTC"
) -> Question:
    """Instants without an offset are of the zone."""
    first, last = (datetime.fromisoformat(each) for each in (start, end))
    first, last = (each if each.tzinfo else each.replace(tzinfo=ZoneInfo(zone)) for each in (first, last))
    return Question(of, first.astimezone(UTC), last.astimezone(UTC), grain, by, (cut,) if cut else (), zone)


ONE_ORDER = datetime(2011, 6, 1, 14, 55, tzinfo=UTC)

QUESTIONS = (
    ask("retail", "2011-06-01", "2011-09-01"),
    ask("retail", "2011-06-01", "2011-09-01", None, cut=KNOWN),
    ask("retail", "2011-06-01", "2011-09-01", None, "tag"),
    ask("retail", "2010-12-01", "2012-01-01", "quarter", "country", cut=KNOWN),
    ask("retail", "2011-03-27T13:37", "2011-11-06T15:45", "month", zone="Asia/Kolkata"),
    ask("retail", "2011-09-20T09:26", "2011-12-05T18:01", "week", cut=KNOWN, zone="America/New_York"),
    ask("retail", "2011-10-28T12:00", "2011-11-02", "day", "kind", zone="Europe/London"),
    ask("retail", "2010-12-20T10:00", "2011-12-10", "year", "country", cut=only("country", "France", "EIRE")),
    ask("retail", "2011-01-01", "2011-12-10", None, cut=only("tag", "unidentified")),
    ask("retail", "2011-12-05", "2011-12-09T12:50", "day", "country", "tag"),
    ask("retail", "2011-06-01", "2011-12-10", "quarter", "order_country", "country"),
    ask("retail", "2011-03-01", "2011-12-10", "month", cut=only("order_country", "France", "EIRE")),
    ask("retail", "2011-02-01", "2011-05-05T05:05", "month", "label", cut=KNOWN),
    ask("retail", "2011-02-01", "2011-12-05", None, "label", "kind", cut=only("country", "Germany", "France", "EIRE")),
    ask("retail", "2011-12-01", "2011-12-10", "day", cut=only("label", "champions", "lost")),
    ask("retail", "2011-12-01", "2011-12-10", "day", "currency", "country", zone="Europe/London"),
    ask("retail", "2009-01-01", "2010-01-01", "quarter"),
    Question("retail", ONE_ORDER, ONE_ORDER + timedelta(days=90)),
    Question("retail", ONE_ORDER - timedelta(days=90), ONE_ORDER),
    ask("b2b", "2017-06-01", "2017-09-01"),
    ask("b2b", "2017-01-01T11:11", "2017-12-31T12:00", "month", zone="Asia/Kolkata"),
    ask("b2b", "2016-10-20", "2018-01-01", "quarter", "segment"),
    ask("b2b", "2017-02-15", "2017-12-15", "quarter", "product", "opportunity_owner", zone="America/New_York"),
    ask("b2b", "2017-02-15", "2017-12-15", "quarter", "family", "product", zone="Asia/Kolkata"),
    ask("b2b", "2017-03-01", "2018-01-01", None, "segment", cut=only("family", "GTX", "GTK")),
    ask("b2b", "2017-03-01", "2018-01-01", None, "stage"),
    ask("b2b", "2017-03-01", "2018-01-01", None, "stage_left"),
    ask("b2b", "2017-03-01", "2018-01-01", "year", "opportunity_outcome", "segment"),
    ask("b2b", "2017-05-05T05:05", "2017-07-07T07:07", "week", "country", zone="America/New_York"),
    ask("b2b", "2017-03-01", "2017-10-01", "month", "country", cut=without("segment", "technolgy")),
    ask("b2b", "2017-03-01", "2017-12-01", "quarter", "opportunity_owner", cut=only("segment", "")),
    ask(
        "b2b",
        "2017-04-01",
        "2017-12-31T00:00",
        None,
        "segment",
        cut=only("opportunity_owner", "Moses Frase", "Zane Levy"),
    ),
    ask("b2b", "2017-09-15", "2018-03-21", None, "segment"),
    ask("b2b", "2017-09-15", "2018-03-21", "month", cut=only("segment", "retail", "medical")),
    ask("desk", "2016-03-01", "2016-03-08"),
    ask("desk", "2016-02-29T11:30", "2016-03-05T23:59", "day", zone="America/New_York"),
    ask("desk", "2016-02-01T18:30", "2017-03-01", "month", zone="Asia/Kolkata"),
    ask("desk", "2016-02-29", "2016-04-01", "week", "queue"),
    ask(
        "desk",
        "2016-02-29",
        "2016-03-15",
        None,
        "category",
        "priority",
        cut=without("priority", "moderate"),
    ),
    ask("desk", "2016-02-29", "2016-03-04T04:40", "day", "age", "state"),
    ask("desk", "2016-03-02", "2016-05-02", "month", "assignee", cut=only("channel", "phone")),
    ask("desk", "2016-03-01", "2016-03-03", "day", "kind", "tag", cut=only("queue", "Group 70", "")),
    ask("bank", "2010-01-01", "2011-01-01"),
    ask("bank", "2010-03-01", "2010-12-31", "month", "outcome"),
    ask("bank", "2010-05-01T12:00", "2010-06-01T12:00", "week", "segment", zone="Asia/Kolkata"),
    ask("bank", "2010-05-03T12:00", "2010-05-07T12:00", "day", "channel", "direction", zone="America/New_York"),
    ask(
        "bank",
        "2010-01-01",
        "2011-01-01",
        "quarter",
        "segment",
        cut=without("segment", "student", "retired"),
    ),
    ask("saas", "2024-01-01", "2024-04-01"),
    ask("saas", "2023-01-01", "2025-01-01", "month"),
    ask("saas", "2023-05-05T05:05", "2024-12-31T12:00", "quarter", "tier", zone="Asia/Kolkata"),
    ask("saas", "2024-01-01", "2024-12-01", None, "country", "currency", cut=only("tier", "Pro", "Basic")),
    ask("saas", "2024-03-10T12:00", "2024-05-01", "week", cut=without("source", "ads"), zone="America/New_York"),
)
