"""A question to metrics: an interval and its periods, groups and filters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from analytics.calendar import Grain, Interval
from analytics.metrics.definition import OWNER, WITHIN, Dimension, Metric, Source
from analytics.metrics.filtering import FilterBy
from analytics.metrics.query import Filter, MetricQuery
from analytics.projections.activity import ActivityPolicy
from analytics.projections.custom_fields import PREFIX, CustomerFields, spelt, values_of
from kith.custom.field import FieldType
from kith.errors import Forbidden, Invalid
from kith.nouns.inputs import CLOCK_SKEW
from kith.reach import Reach

MAX_GROUPINGS = 3


@dataclass(frozen=True)
class Question:
    """A question to one metric or several. `of` refuses the names of dimensions that a metric does not have."""

    interval: Interval
    zone: str
    policy: ActivityPolicy
    reach: Reach = field(kw_only=True)
    """Whose customers it is about, by the owner at the end, as the filter by `owner` has it."""
    grain: Grain | None = None
    group_by: tuple[str, ...] = ()
    filters: tuple[FilterBy, ...] = ()
    settled: bool = True
    """Whether totals may be read (see metrics.query)."""
    now: datetime | None = None
    """Later events have not happened yet. None: the whole interval has passed."""
    currency: str | None = None
    """In which all amounts come that can be converted. None: each in its own."""
    rates_zone: str = "UTC"
    """The tenant's own, of which the days of rates are."""
    fields: CustomerFields = field(default=CustomerFields({}), compare=False)
    """The custom fields of customers, if it names any."""

    def of(self, metric: Metric, periods: Sequence[datetime]) -> MetricQuery:
        if len(self.group_by) > MAX_GROUPINGS or len(set(self.group_by)) < len(self.group_by):
            raise Invalid(f"Group by up to {MAX_GROUPINGS} different dimensions.", field="groupBy")
        if self.reach.is_limited and metric.reached_by == OWNER and OWNER not in metric.dimensions:
            raise Forbidden(f"{metric.id} cannot be filtered by owner. It needs the scope analytics:read.")
        return MetricQuery(
            "",
            tuple(periods),
            self.zone,
            self.policy,
            tuple(self._within_reach(self._dimension(metric, name, "groupBy")) for name in self.group_by),
            self.filtered_by(lambda name: self._dimension(metric, name, "filter"), metric.reached_by),
            self.settled,
        )

    def filtered_by(self, dimension: Callable[[str], Dimension], reached_by: Dimension = OWNER) -> tuple[Filter, ...]:
        """Returns the filters, with that of the reach; `dimension` finds each by its name."""
        found = [(self._within_reach(dimension(name)), values, out) for name, values, out in self.filters]
        asked = tuple(Filter(by, tuple(self._spelt(by, each) for each in values), out) for by, values, out in found)
        owners = self.reach.owners
        return asked if owners is None else (*asked, Filter(reached_by, tuple(str(each) for each in owners)))

    def _within_reach(self, dimension: Dimension) -> Dimension:
        """Returns the dimension. Raises Forbidden for one that tells of customers that are out of reach."""
        if dimension.names_customers and self.reach.is_limited:
            raise Forbidden(f"The tree is of everybody's customers: {dimension.name} needs the scope analytics:read.")
        return dimension

    def _spelt(self, dimension: Dimension, value: str | None) -> str | None:
        """Returns a filter's value as facts spell it. Raises Invalid for one that the dimension cannot have."""
        if value is None and dimension != WITHIN:
            return None
        if value is None or dimension.names_customers:
            try:
                return str(UUID(value or ""))
            except ValueError:
                rule = f"{dimension.name} names customers by their ids, and {value or ''!r} is none."
                raise Invalid(rule, field="filter") from None
        if dimension.name.startswith(PREFIX):
            return spelt(self.fields.dividing(dimension.name, parameter="filter"), value)
        return value

    def custom(self, name: str, parameter: str) -> Dimension:
        """Returns the dimension by a custom field of customers. Raises Invalid for one that there is not."""
        field = self.fields.dividing(name, parameter=parameter)
        several = field.value_type is FieldType.MULTI_CHOICE
        return Dimension(name, Source.CUSTOMER, field.code, "custom", several, values_of(field))

    def _dimension(self, metric: Metric, name: str, parameter: str) -> Dimension:
        of_customers = any(each.source is Source.CUSTOMER for each in metric.dimensions)
        if name.startswith(PREFIX) and of_customers:
            return self.custom(name, parameter)
        return metric.dimension(name, parameter=parameter)

    def has_come(self, moment: datetime) -> bool:
        """Whether it has passed. A period that ends now by the client's clock has ended, even if that clock is a little
        ahead."""
        return self.now is None or moment <= self.now + CLOCK_SKEW

    def has_begun(self, moment: datetime) -> bool:
        return self.now is None or moment < self.now

    def so_far(self, periods: Sequence[datetime]) -> list[datetime]:
        """Returns the boundaries of the periods that have begun, the last one cut to now; empty if none has."""
        begun = [each for each in periods[:-1] if self.has_begun(each)]
        if not begun:
            return []
        end = periods[len(begun)]
        return [*begun, end if self.has_come(end) or self.now is None else self.now]

    def complete_up_to(self, starts_at: datetime, ends_at: datetime) -> datetime | None:
        if not self.has_begun(starts_at):
            return None
        return ends_at if self.has_come(ends_at) else self.now
