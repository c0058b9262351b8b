"""Lead times: how long before the end of its activity a customer had been warned of."""

import numpy as np

from analytics.health.evaluation.observation import Ended, Entered
from analytics.health.evaluation.report import LeadBin, LeadTimes
from analytics.health.evaluation.statistics import Ints, share, spread
from analytics.health.model.definition import DAY

LEAD_BINS = tuple(range(0, 100, 10))
"""In days, the last one open above."""


def lead_times(ended: Ended, entered: Entered) -> LeadTimes:
    warned_at = _warned_at(ended, entered)
    warned = warned_at >= 0
    lead = (ended.ends_at - warned_at)[warned] / DAY
    after = (warned_at - ended.last_event)[warned] / DAY
    of = spread(lead)
    into = np.searchsorted(LEAD_BINS, lead, side="right") - 1
    counts = np.bincount(into, minlength=len(LEAD_BINS)).tolist()
    return LeadTimes(
        ended=warned.size,
        warned=int(warned.sum()),
        without_warning=share(~warned, np.ones(warned.size, np.bool_), ended.customer),
        lower_quartile=of.lower_quartile,
        median=of.median,
        upper_quartile=of.upper_quartile,
        median_after_last_event=spread(after).median,
        bins=[LeadBin(days, number) for days, number in zip(LEAD_BINS, counts, strict=True)],
    )


def _warned_at(ended: Ended, entered: Entered) -> Ints:
    """Returns since when each was at risk when its span ended; -1 if it was not."""
    changes = entered.at.size
    customer = np.concatenate([entered.customer, ended.customer])
    at = np.concatenate([entered.at, ended.ends_at])
    # A change at the very end is no warning: ends are ordered first.
    is_end = np.arange(customer.size) >= changes
    order = np.lexsort((~is_end, at, customer))
    last = np.maximum.accumulate(np.where(is_end[order], -1, np.arange(order.size)))
    change = order[last]
    found = np.full(ended.customer.size, -1)
    for_end = is_end[order] & (last >= 0)
    mine, before = order[for_end], change[for_end]
    if changes:
        so = (customer[mine] == customer[before]) & entered.at_risk[before]
        found[mine[so] - changes] = at[before[so]]
    return found
