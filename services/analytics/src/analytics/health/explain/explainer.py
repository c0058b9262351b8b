"""The explainer: explains a customer's health, its change, the path to other bands, and its history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.engine.base import Ints, micros
from analytics.health.engine.facts import HealthFacts
from analytics.health.engine.reads import facts_of
from analytics.health.explain.contributions import explained
from analytics.health.explain.difference import differences
from analytics.health.explain.history import MAX_TOGETHER, TooManyTogether, histories
from analytics.health.explain.path import paths
from analytics.health.explain.presentation import difference_view, history_view, path_view
from analytics.health.explain.reads import HealthView, as_view
from analytics.health.explain.views import DifferenceView, HistoryView, PathView
from analytics.health.model.assignment import Models
from analytics.health.model.timeline import model_in_force
from analytics.health.wording.languages import WORDINGS
from analytics.health.wording.words import Language, Words
from analytics.projections.survivors import merged_among
from analytics.projections.tenants import tenant_settings
from kith.errors import Invalid


@dataclass(frozen=True)
class HealthSnapshot:
    """Everything that explanations of some customers are computed from, read in one transaction."""

    facts: HealthFacts
    zone: str
    merged: Mapping[UUID, UUID]
    """The survivors of those that were asked for and are merged: the explanations are of these."""


async def snapshot(
    connection: AsyncConnection, tenant: str, customers: Sequence[UUID], model: str | None = None
) -> HealthSnapshot:
    """Reads what explains the health of some customers, of merged ones that of their survivors. `model` is the id of
    one in force now, which then scores all of them, whether or not it is for them; otherwise the model that was for
    each at the instant does. Raises Invalid if no model in force has that id."""
    zone = (await tenant_settings(connection, tenant)).zone
    named = None if model is None else Models.only(await model_in_force(connection, tenant, model))
    merged = await merged_among(connection, tenant, customers)
    survivors = list({merged.get(each, each) for each in customers})
    return HealthSnapshot(await facts_of(connection, tenant, survivors, models=named), zone, merged)


@dataclass(frozen=True)
class HealthExplainer:
    """Explains the health of a snapshot's customers, in one language. It does no I/O, and takes up to seconds for many
    customers: run it off the event loop."""

    of: HealthSnapshot
    language: Language

    def health(self, customers: Sequence[UUID], at: datetime) -> dict[UUID, HealthView]:
        found = explained(self.of.facts, micros(at), self._indexes(customers))
        return {
            id: as_view(each, self._words, self.of.merged.get(id)) for id, each in zip(customers, found, strict=True)
        }

    def difference(
        self, customers: Sequence[UUID], starts_at: datetime, ends_at: datetime
    ) -> dict[UUID, DifferenceView]:
        """Returns the difference between two instants. Raises Invalid unless the interval goes forward."""
        _check(starts_at, ends_at)
        found = differences(self.of.facts, micros(starts_at), micros(ends_at), self._indexes(customers))
        words, merged = self._words, self.of.merged
        return {id: difference_view(each, words, merged.get(id)) for id, each in zip(customers, found, strict=True)}

    def path(self, customers: Sequence[UUID], at: datetime) -> dict[UUID, PathView]:
        found = paths(self.of.facts, micros(at), self._indexes(customers))
        words, merged = self._words, self.of.merged
        return {id: path_view(each, words, merged.get(id)) for id, each in zip(customers, found, strict=True)}

    def history(
        self, customers: Sequence[UUID], starts_at: datetime, ends_at: datetime
    ) -> dict[UUID, HistoryView | Invalid | None]:
        """Returns the histories; None for a customer for which no model ever was, and Invalid for one whose score has
        too many points. Raises Invalid unless the interval goes forward, and if all of them together have too many
        points."""
        _check(starts_at, ends_at)
        try:
            found = histories(self.of.facts, micros(starts_at), micros(ends_at), self._indexes(customers))
        except TooManyTogether as error:
            raise Invalid(
                f"The scores of these {len(customers)} customers bend more than {MAX_TOGETHER:,} times in that "
                "interval. Ask for a shorter one, or for fewer customers.",
                field="from",
            ) from error
        return {
            id: history_view(each, starts_at, ends_at, self._words, self.of.merged.get(id))
            for id, each in zip(customers, found, strict=True)
        }

    @property
    def _words(self) -> Words:
        return Words(WORDINGS[self.language], ZoneInfo(self.of.zone))

    def _indexes(self, customers: Sequence[UUID]) -> Ints:
        index_of = {customer: index for index, customer in enumerate(self.of.facts.customers)}
        return np.array([index_of[self.of.merged.get(each, each)] for each in customers], np.int64)


def _check(starts_at: datetime, ends_at: datetime) -> None:
    if starts_at >= ends_at:
        raise Invalid("It must be before `to`.", field="from")
