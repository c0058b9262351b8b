"""Scans many customers at once for trigger events: on one day, or over a whole past."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.base import Ints, moment
from analytics.health.engine.facts import CAUSES, HealthFacts
from analytics.health.model.definition import DAY, band_of, number_of
from analytics.playbooks.plan import BandChanged, RenewalNear, ScoreDropped
from analytics.playbooks.trigger_event import TriggerEvent


def drops(trigger: ScoreDropped, facts: HealthFacts, at: int, some: Ints) -> Iterator[TriggerEvent]:
    """Yields the trigger events of those of these customers whose score dropped so, at the instant."""
    since = at - trigger.days * DAY
    scores, before = facts.scores(at, some), facts.scores(since, some)
    by_model = facts.by_models(since, at, some)
    with np.errstate(invalid="ignore"):  # where one of the scores is not known
        dropped = np.flatnonzero(before - scores + by_model >= trigger.points)
    bands = facts.bands(at, some[dropped])
    for index, band in zip(dropped.tolist(), bands.tolist(), strict=True):
        yield TriggerEvent(
            kind=trigger.kind,
            customer_id=facts.customers[some[index]],
            at=moment(at),
            band=band_of(band),
            score=float(scores[index]),
            from_score=float(before[index]),
            by_model=float(by_model[index]) or None,
            cause="silence",
        )


class Renewal(NamedTuple):
    """A renewal to come, as it was known after `since`, and up to `until`."""

    customer_id: UUID
    event_id: UUID
    """The event that said so."""
    since: int
    until: int
    at: int


def renewals_near(
    trigger: RenewalNear, facts: HealthFacts, renewals: Iterable[Renewal], starts_at: int, ends_at: int
) -> Iterator[TriggerEvent]:
    """Yields for every midnight in `[starts_at, ends_at)` the trigger events of the customers who were in a band of the
    trigger and had a renewal near, by the nearest one."""
    nearest: dict[tuple[UUID, int], Renewal] = {}
    for each in renewals:
        first = max(starts_at, each.since + 1, each.at - trigger.days * DAY)
        for midnight in midnights(first, min(ends_at, each.until + 1, each.at)):
            known = nearest.setdefault((each.customer_id, midnight), each)
            if (each.at, each.event_id) < (known.at, known.event_id):
                nearest[each.customer_id, midnight] = each
    indexes = {customer: index for index, customer in enumerate(facts.customers)}
    found = [(indexes[customer], at, each) for (customer, at), each in nearest.items()]
    some, at = (np.array([each[column] for each in found], np.int64) for column in (0, 1))
    for (index, midnight, each), band, score in zip(found, facts.bands(at, some), facts.scores(at, some), strict=True):
        if (word := band_of(int(band))) in trigger.bands:
            yield TriggerEvent(
                kind=trigger.kind,
                customer_id=facts.customers[index],
                at=moment(midnight),
                band=word,
                score=float(score),
                cause="silence",
                renews_at=moment(each.at),
                event_id=each.event_id,
            )


def band_changes(trigger: BandChanged, facts: HealthFacts, starts_at: int, ends_at: int) -> Iterator[TriggerEvent]:
    """Yields the changes into the bands of the trigger, in `(starts_at, ends_at]`; those caused by another model
    included."""
    changes = facts.changes(starts_at, ends_at)
    meant = np.isin(changes.band, [number_of(each) for each in trigger.to]) & (changes.from_band >= 0)
    of, at = changes.customer[meant], changes.at[meant]
    columns = (of, at, changes.from_band[meant], changes.band[meant], changes.cause[meant], facts.scores(at, of))
    for customer, instant, from_band, band, cause, score in zip(*(each.tolist() for each in columns), strict=True):
        yield TriggerEvent(
            kind=trigger.kind,
            customer_id=facts.customers[customer],
            at=moment(instant),
            band=band_of(band),
            from_band=band_of(from_band),
            score=None if np.isnan(score) else score,
            cause=CAUSES[cause],
        )


def midnights(starts_at: int, ends_at: int) -> range:
    """Returns every 00:00 UTC in `[starts_at, ends_at)`."""
    return range(-(-starts_at // DAY) * DAY, ends_at, DAY)
