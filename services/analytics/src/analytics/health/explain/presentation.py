"""Explanations of health as views, with words in one language."""

from datetime import datetime
from uuid import UUID

from analytics.health.engine.base import moment
from analytics.health.explain.contributions import Contribution, Explanation
from analytics.health.explain.difference import Difference, MeasureChange
from analytics.health.explain.history import MAX_POINTS, BandChange, History, TooManyPoints
from analytics.health.explain.path import Path, Step, Way
from analytics.health.explain.views import (
    AssignmentView,
    BandChangeView,
    ChangeView,
    DifferenceView,
    GroupView,
    HistoryView,
    ModelChangeView,
    PartView,
    PathView,
    PointView,
    ScoredView,
    StepView,
    WayView,
)
from analytics.health.model.definition import HealthModel
from analytics.health.model.inputs import input_of
from analytics.health.wording.words import Words
from kith.errors import Invalid


def _scored(explanation: Explanation) -> ScoredView:
    return ScoredView(
        moment(explanation.at), explanation.score, explanation.band, explanation.coverage, *_named_by(explanation.model)
    )


def _named_by(model: HealthModel | None) -> tuple[str, int] | tuple[None, None]:
    return (None, None) if model is None else (model.id, model.version)


def difference_view(difference: Difference, words: Words, merged_into: UUID | None) -> DifferenceView:
    return DifferenceView(
        before=_scored(difference.before),
        after=_scored(difference.after),
        change=difference.change,
        by_model=difference.by_model,
        words=words.difference(difference),
        model_changes=[
            ModelChangeView(
                moment(each.after.at), _scored(each.before), _scored(each.after), each.change, words.swapped(each)
            )
            for each in difference.swaps
        ],
        groups=[GroupView(each.group, each.before, each.after, each.change) for each in difference.groups],
        changes=[_change(difference, each, words) for each in difference.changes],
        merged_into=merged_into,
    )


def _change(difference: Difference, change: MeasureChange, words: Words) -> ChangeView:
    measure = change.measure
    return ChangeView(
        measure=measure.id,
        title=measure.title,
        group=measure.group,
        unit=input_of(measure).unit,
        course=change.course,
        before=_part(change.before),
        after=_part(change.after),
        change=change.change,
        by_input=change.by_input,
        by_share=change.by_share,
        by_model=change.by_model,
        came_in=list(change.came_in),
        fell_out=list(change.fell_out),
        words=words.change(difference, change),
    )


def _part(contribution: Contribution | None) -> PartView | None:
    return (
        PartView(contribution.input, contribution.score, contribution.contribution)
        if contribution is not None
        else None
    )


def path_view(path: Path, words: Words, merged_into: UUID | None) -> PathView:
    model, version = _named_by(path.explanation.model)
    return PathView(
        at=moment(path.explanation.at),
        score=path.explanation.score,
        band=path.explanation.band,
        model=model,
        model_version=version,
        up=_way(path, path.up, words),
        down=_way(path, path.down, words),
        caveat=words.caveat(),
        merged_into=merged_into,
    )


def _way(path: Path, way: Way | None, words: Words) -> WayView | None:
    if way is None:
        return None
    return WayView(
        band=way.band,
        border=way.border,
        points=way.points,
        reachable=way.best is not None and way.best.crosses,
        best=way.best.score if way.best is not None else None,
        silent_at=moment(way.silent_at) if way.silent_at is not None else None,
        words=words.way(path, way),
        steps=[_step(path, way, each, words) for each in way.steps],
    )


def _step(path: Path, way: Way, step: Step, words: Words) -> StepView:
    source, doing = input_of(step.measure), step.doing
    return StepView(
        measure=step.measure.id,
        title=step.measure.title,
        unit=source.unit,
        published=source.published,
        act=doing.act if doing else None,
        times=doing.times if doing else None,
        value=doing.value if doing else None,
        word=doing.word if doing else None,
        input=step.now,
        to=step.to,
        change=step.change,
        score=step.points,
        score_to=step.points_to,
        leads_to=step.score,
        band=step.band,
        crosses=step.crosses,
        words=words.step(path, way, step),
    )


def history_view(
    history: History | TooManyPoints, starts_at: datetime, ends_at: datetime, words: Words, merged_into: UUID | None
) -> HistoryView | Invalid | None:
    if isinstance(history, TooManyPoints):
        return Invalid(
            f"The score bends more than {MAX_POINTS:,} times in that interval. Ask for a shorter one.", field="from"
        )
    if all(each.model is None for each in history.assignments):
        return None
    model, version = _named_by(history.model)
    return HistoryView(
        starts_at=starts_at,
        ends_at=ends_at,
        model=model,
        model_version=version,
        models=[
            AssignmentView(moment(each.since), moment(each.until), *_named_by(each.model))
            for each in history.assignments
        ],
        band=history.band,
        points=[PointView(moment(each.at), each.score) for each in history.points],
        changes=[_band_change(each, words) for each in history.changes],
        merged_into=merged_into,
    )


def _band_change(change: BandChange, words: Words) -> BandChangeView:
    model, version = _named_by(change.model)
    return BandChangeView(
        at=moment(change.at),
        from_band=change.from_band,
        band=change.band,
        cause=change.cause,
        silent=change.silent,
        model=model,
        model_version=version,
        words=words.band_change(change),
    )
