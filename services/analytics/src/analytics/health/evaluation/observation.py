"""The observations of a backtest: the health and activity of customers at instants of the past, and their outcome.

Observed are customers who were active at an instant T, once per instant. They churned if no qualifying event of theirs
lies in [T, T + horizon): no event that a score at T may have read. That is not always the churn of the retention
metrics, not being active at T + horizon: with a horizon below the activity window part of that window is before T, and
a customer long silent at T has almost lapsed by definition. So the latter is reported beside it, and never instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from analytics.health.engine.scoring import Scorer
from analytics.health.evaluation.statistics import Bools, Floats, Ints
from analytics.health.model.definition import DAY


@dataclass(frozen=True)
class Observed:
    """A row per customer and instant at which it was active."""

    customer: Ints
    instant: Ints
    """Index among the instants, which are in order of time."""
    score: Floats
    """NaN: no input of the model was known."""
    coverage: Floats
    at_risk: Bools
    quiet: Floats
    """Days since the last qualifying event."""
    frequency: Ints
    """Qualifying events so far."""
    churned: Bools
    """No qualifying event within the horizon."""
    lapsed: Bools
    """Not active at its end."""

    def where(self, some: Bools) -> "Observed":
        return Observed(**{name: column[some] for name, column in vars(self).items()})

    def __len__(self) -> int:
        return self.customer.size


class Ended(NamedTuple):
    """Activity spans that ended in the time observed; an element each."""

    customer: Ints
    last_event: Ints
    """Microseconds, as all times here."""
    ends_at: Ints

    @classmethod
    def of(cls, rules: Sequence["Rule"], rule_of: Ints, starts_at: int, ends_at: int, customers: Ints) -> "Ended":
        """Returns the spans of these customers, each by its rule, that ended in (starts_at, ends_at]."""
        found = []
        for index, rule in enumerate(rules):
            ended = rule.events.ended(rule.window, starts_at, ends_at)
            mine = np.isin(ended.customer, customers) & (rule_of[ended.customer] == index)
            found.append(tuple(column[mine] for column in ended))
        return cls(*(np.concatenate(column) for column in zip(*found, strict=True)))


class Entered(NamedTuple):
    """Every change of band; an element each, in any order."""

    customer: Ints
    at: Ints
    at_risk: Bools
    """Whether the band it came into is at risk."""


class Events(NamedTuple):
    """The times of customers' qualifying events, each customer's in order, one customer after the other."""

    starts: Ints
    """For each customer, where its times begin; last, the number of all."""
    times: Ints

    @classmethod
    def of(cls, customers: int, customer: Ints, times: Ints) -> "Events":
        """Groups events in any order, each with its customer's index."""
        counts = np.bincount(customer, minlength=customers)
        return cls(np.concatenate(([0], np.cumsum(counts))), times[np.lexsort((times, customer))])

    def last_before(self, at: int) -> Ints:
        """Returns the time per customer; NEVER if there was none."""
        return self._pick(np.maximum, np.where(self.times < at, self.times, NEVER), NEVER)

    def number_before(self, at: int) -> Ints:
        """Returns the number per customer."""
        so_far = np.concatenate(([0], np.cumsum(self.times < at)))
        return so_far[self.starts[1:]] - so_far[self.starts[:-1]]

    def first_from(self, at: int) -> Ints:
        """Returns the time per customer; AFTER_ALL if none came."""
        return self._pick(np.minimum, np.where(self.times >= at, self.times, AFTER_ALL), AFTER_ALL)

    def _pick(self, choose: np.ufunc, times: Ints, nothing: int) -> Ints:
        found = np.full(self.starts.size - 1, nothing)
        some = np.flatnonzero(np.diff(self.starts))
        if some.size:
            found[some] = choose.reduceat(times, self.starts[some])
        return found

    def ended(self, window: int, starts_at: int, ends_at: int) -> Ended:
        """Returns the spans whose end lies in (starts_at, ends_at]: no event followed the last one within the
        window."""
        customer = np.repeat(np.arange(self.starts.size - 1), np.diff(self.starts))
        follows = np.append(self.times[1:], AFTER_ALL)
        follows[self.starts[1:][np.diff(self.starts) > 0] - 1] = AFTER_ALL
        ends = self.times + window
        some = (follows > ends) & (ends > starts_at) & (ends <= ends_at)
        return Ended(customer[some], self.times[some], ends[some])


class Rule(NamedTuple):
    """The definition of activity of some customers."""

    events: Events
    window: int
    """Microseconds."""


class Outcome(NamedTuple):
    """The activity of customers at an instant, and whether they churned; an element each."""

    active: Bools
    quiet: Floats
    frequency: Ints
    churned: Bools
    lapsed: Bools

    @classmethod
    def of(cls, rules: Sequence[Rule], rule_of: Ints, at: int, horizon: int) -> "Outcome":
        """Returns the outcome of each customer by the rule at its index."""

        def by_rule(columns: Sequence[Ints]) -> Ints:
            return np.array(columns)[rule_of, np.arange(rule_of.size)]

        window = np.array([rule.window for rule in rules])[rule_of]
        last = by_rule([rule.events.last_before(at) for rule in rules])
        following = by_rule([rule.events.first_from(at) for rule in rules])
        last_then = by_rule([rule.events.last_before(at + horizon) for rule in rules])
        return cls(
            active=last >= at - window,
            quiet=(at - last) / DAY,
            frequency=by_rule([rule.events.number_before(at) for rule in rules]),
            churned=following >= at + horizon,
            lapsed=last_then < at + horizon - window,
        )


class Part(NamedTuple):
    """The observations of some customers."""

    seen: Observed
    ended: Ended
    entered: Entered

    def after(self, others: int) -> "Part":
        """Returns the same with its customers' indexes shifted by that number."""
        return Part(
            replace(self.seen, customer=self.seen.customer + others),
            self.ended._replace(customer=self.ended.customer + others),
            self.entered._replace(customer=self.entered.customer + others),
        )

    @classmethod
    def whole(cls, parts: Sequence["Part"]) -> "Part":
        seen = {name: np.concatenate([vars(part.seen)[name] for part in parts]) for name in vars(parts[0].seen)}
        return cls(
            Observed(**seen),
            Ended(*(np.concatenate(column) for column in zip(*(part.ended for part in parts), strict=True))),
            Entered(*(np.concatenate(column) for column in zip(*(part.entered for part in parts), strict=True))),
        )


def observed(scorer: Scorer, customers: Ints, rows: Sequence[tuple[int, Outcome, Ints]], ended: Ended) -> Part:
    """Returns the observations. `customers` are the indexes of those to be scored at any of the instants; a row is an
    instant, the outcome of all, and the customers to be scored then."""
    found = []
    for instant, (at, outcome, whom) in enumerate(rows):
        scored = scorer.score(at, whom)
        bands = scorer.bands(at, whom, scored.score)
        scores = (scored.score, scored.coverage, bands == 0)
        found.append((whom, np.full(whom.size, instant), *scores, *(column[whom] for column in outcome[1:])))
    # A customer at risk a year before the first instant has been so since then at the latest.
    begin, end = rows[0][0] - 365 * DAY, max(rows[-1][0], int(ended.ends_at.max(initial=0)))
    at_risk = customers[scorer.bands(begin, customers) == 0]
    changes = scorer.changes(begin, end, customers)
    entered = Entered(
        np.concatenate([at_risk, changes.customer]),
        np.concatenate([np.full(at_risk.size, begin), changes.at]),
        np.concatenate([np.ones(at_risk.size, np.bool_), changes.band == 0]),
    )
    return Part(Observed(*(np.concatenate(column) for column in zip(*found, strict=True))), ended, entered)


NEVER = np.iinfo(np.int64).min // 2
AFTER_ALL = np.iinfo(np.int64).max // 2
"""Half of the range: adding a window does not overflow."""
