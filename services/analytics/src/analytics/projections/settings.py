"""The projection of a tenant's settings, as far as they change what is kept: the rules of its definition of
activity."""

from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.activity import DEFAULT_POLICY, PURCHASES, ActivityPolicy, ActivityRule
from analytics.projections.facts import RecordedEvent
from analytics.projections.lines import line_of
from analytics.projections.past import Past
from analytics.projections.projection import Batch, Projection, ReadModel
from analytics.projections.replay import Recomputation
from analytics.projections.tables import activity_rules
from kith.events.contacts import SettingsChanged

SETTINGS = frozenset({SettingsChanged.type})


class Settings(Projection):
    """The projection of settings. A rebuild keeps the rules: it recomputes the spans of those that are there."""

    tables = (ReadModel(activity_rules, is_rebuilt=False),)
    event_types = SETTINGS

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        await fold_settings(connection, batch.events)

    async def recompute(self, past: Past) -> Sequence[Recomputation]:
        return [_RuleRows(past, await rules_known(past))]


async def fold_settings(connection: AsyncConnection, events: Sequence[RecordedEvent]) -> None:
    """Notes the rules that are new: they are folded from now on, and computed for what was folded before (see
    projections.compute_rules). The default rule is kept for every tenant."""
    new = {
        (event.tenant_id, rule.id): rule
        for event in events
        if event.type == SettingsChanged.type
        for rule in ActivityPolicy.of_event(event.version, event.body["activity"]).rules
        if rule.id != PURCHASES.id
    }
    for (tenant, id), rule in new.items():
        await connection.exec_driver_sql(
            """
            INSERT INTO activity_rules (tenant_id, rule, event_types, window_days, added_at)
            VALUES ($1, $2, $3, $4, now()) ON CONFLICT DO NOTHING
            """,
            (tenant, id, sorted(rule.event_types), rule.window.days),
        )


async def rules_known(past: Past) -> list[ActivityRule]:
    """Returns the rules of every definition of activity there was: a query may name any of them."""
    changes = await past.events(SETTINGS)
    policies = (DEFAULT_POLICY, *(ActivityPolicy.of_event(each.version, each.body["activity"]) for each in changes))
    return list({rule.id: rule for policy in policies for rule in policy.rules}.values())


class _RuleRows(Recomputation):
    """Recomputes the rules, all of them ready: their spans are recomputed, too."""

    table = activity_rules.name
    columns = ("tenant_id", "rule", "event_types", "window_days", "added_at", "ready_at", "done")

    def __init__(self, past: Past, rules: Iterable[ActivityRule]) -> None:
        self._past, self._rules = past, rules

    def rest(self) -> Iterable[str]:
        tenant, at = self._past.tenant, self._past.known_at
        for rule in self._rules:
            yield line_of(tenant, rule.id, sorted(rule.event_types), rule.window.days, at, at, 0)
