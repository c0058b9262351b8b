"""The read models of analytics, in the order in which a batch of events is applied to them."""

from analytics.customer_value.fit_store import Fits
from analytics.health.scores.queue import ScoreQueue
from analytics.metrics.rollups import Totals
from analytics.projections.fold_activity import Activity
from analytics.projections.fold_facts import Facts
from analytics.projections.merges import Merges
from analytics.projections.owners import Owners
from analytics.projections.settings import Settings
from analytics.projections.subscriptions import Subscriptions

PROJECTIONS = (
    Facts(),
    Settings(),
    Activity(),
    Merges(),
    Owners(),
    Subscriptions(),
    Totals(),
    ScoreQueue(),
    Fits(),
)
