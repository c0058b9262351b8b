"""What playbooks are set off by, looked for among many customers at once: on a day, or over all of a past."""

from collections.abc import Iterator, Sequence

import numpy as np

from analytics.domain.health.base import Ints, moment
from analytics.domain.health.model import DAY, HealthModel, band_of, number_of
from analytics.domain.health.scoring import Scorer
from analytics.domain.playbooks.happening import Happening
from analytics.domain.playbooks.plan import STANDS_FOR_MANY, BandChanged, Customer, ScoreDropped


def drops(trigger: ScoreDropped, scorer: Scorer, at: int, some: Ints) -> Iterator[Happening]:
    """Of those of the base whose score dropped so, at the instant."""
    scores = scorer.score(at, some).score
    before = scorer.score(at - trigger.days * DAY, some).score
    with np.errstate(invalid="ignore"):  # where one of them is not known
        dropped = np.flatnonzero(before - scores >= trigger.points)
    bands = scorer.bands(at, some[dropped], scores[dropped])
    for place, band in zip(dropped.tolist(), bands.tolist(), strict=True):
        yield Happening(
            kind=trigger.kind,
            customer_id=scorer.base.customers[some[place]],
            at=moment(at),
            band=band_of(band),
            score=float(scores[place]),
            from_score=float(before[place]),
            cause="silence",
        )


def band_changes(
    trigger: BandChanged, scorer: Scorer, starts_at: Ints, ends_at: Ints, some: Ints
) -> Iterator[Happening]:
    """Of those of the base: into the bands of the trigger, in `(starts_at, ends_at]`, each of its own."""
    changes = scorer.changes(starts_at, ends_at, some)
    meant = np.isin(changes.band, [number_of(each) for each in trigger.to]) & (changes.from_band >= 0)
    of, at = changes.customer[meant], changes.at[meant]
    columns = (of, at, changes.from_band[meant], changes.band[meant], changes.silent[meant], scorer.score(at, of).score)
    for customer, instant, from_band, band, silent, score in zip(*(each.tolist() for each in columns), strict=True):
        yield Happening(
            kind=trigger.kind,
            customer_id=scorer.base.customers[customer],
            at=moment(instant),
            band=band_of(band),
            from_band=band_of(from_band),
            score=None if np.isnan(score) else score,
            cause="silence" if silent else "event",
        )


def midnights(starts_at: int, ends_at: int) -> range:
    """Every 00:00 UTC in `[starts_at, ends_at)`."""
    return range(-(-starts_at // DAY) * DAY, ends_at, DAY)


def model_for(customer: Customer, models: Sequence[HealthModel]) -> HealthModel | None:
    """Which of the models, the most specific first, scores such a customer. None scores one that stands for many."""
    if STANDS_FOR_MANY in customer.tags:
        return None
    fits = (each for each in models if each.audience.includes(customer.segment, customer.tier, customer.tags))
    return next(fits, None)
