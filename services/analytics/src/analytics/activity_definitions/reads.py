"""The tenant's definitions of activity: what it has said, version by version, and how far each is computed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.activity import DEFAULT_POLICY, PURCHASES, ActivityPolicy, ActivityRule
from analytics.projections.tables import activity_rules, facts
from kith.errors import NotFound
from kith.events.contacts import SettingsChanged


class Computed(StrEnum):
    COMPUTING = "computing"
    READY = "ready"


@dataclass(slots=True)
class ActivityRuleView:
    segment: str | None
    """Null: of all customers whose segment has no rule of its own."""
    event_types: list[str]
    window_days: int
    contractual: bool
    """Whether who has had a subscription is active while one is in force, and by nothing else."""
    state: Computed
    done: int
    """Customers computed, of all there were when it began."""
    total: int | None
    """Null: not counted yet."""


@dataclass(slots=True)
class ActivityDefinition:
    version: int
    """Of the settings that say so; 0 is what holds where nothing is said."""
    since: datetime | None
    state: Computed
    """Figures can be queried under this version once it is ready."""
    done: int
    total: int | None
    is_default: bool
    """Figures are under this version if none is named: it is the newest that is ready."""
    rules: list[ActivityRuleView]


async def activity_definitions(connection: AsyncConnection, tenant: str) -> list[ActivityDefinition]:
    """Newest first."""
    f, r = facts.c, activity_rules.c
    changes = await connection.execute(
        select(f.version, f.time, f.state)
        .where(f.tenant_id == tenant, f.type == SettingsChanged.type)
        .order_by(f.version.desc())
    )
    policies = [(ActivityPolicy.of_event(row.version, row.state["activity"]), row.time) for row in changes]
    kept = await connection.execute(
        select(r.rule, r.ready_at.is_not(None), r.done, r.total).where(r.tenant_id == tenant)
    )
    progress = {PURCHASES.id: _Progress(Computed.READY, 0, 0)} | {
        rule: _Progress(Computed.READY if ready else Computed.COMPUTING, done, total)
        for rule, ready, done, total in kept
    }
    found = [_definition(policy, since, progress) for policy, since in [*policies, (DEFAULT_POLICY, None)]]
    next(each for each in found if each.state is Computed.READY).is_default = True
    return found


async def activity_definition(connection: AsyncConnection, tenant: str, version: int) -> ActivityDefinition:
    """Raises NotFound that lists what there is."""
    found = {each.version: each for each in await activity_definitions(connection, tenant)}
    if version not in found:
        raise NotFound(
            f"There is no definition of activity {version}. There are: {', '.join(map(str, found))}.", field="version"
        )
    return found[version]


@dataclass(frozen=True)
class _Progress:
    state: Computed
    done: int
    total: int | None


_NOT_NOTED = _Progress(Computed.COMPUTING, 0, None)


def _definition(policy: ActivityPolicy, since: datetime | None, progress: dict[str, _Progress]) -> ActivityDefinition:
    each = [progress.get(rule.id, _NOT_NOTED) for rule in policy.rules]
    totals = [one.total for one in each if one.total is not None]
    return ActivityDefinition(
        version=policy.version,
        since=since,
        state=Computed.READY if all(one.state is Computed.READY for one in each) else Computed.COMPUTING,
        done=sum(one.done for one in each),
        total=sum(totals) if len(totals) == len(each) else None,
        is_default=False,
        rules=[
            _rule(segment, rule, progress.get(rule.id, _NOT_NOTED))
            for segment, rule in [(None, policy.default), *sorted(policy.segments.items())]
        ],
    )


def _rule(segment: str | None, rule: ActivityRule, how_far: _Progress) -> ActivityRuleView:
    said = (sorted(rule.event_types), rule.window.days, rule.contractual)
    return ActivityRuleView(segment, *said, how_far.state, how_far.done, how_far.total)
