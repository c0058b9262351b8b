"""Health in English."""

from collections.abc import Callable, Mapping
from datetime import date

from analytics.health.explain.acts import Act, RepeatedAct
from analytics.health.explain.contributions import Contribution, Explanation
from analytics.health.explain.difference import ChangeKind, Difference, MeasureChange, Swapped
from analytics.health.explain.history import BandChange
from analytics.health.explain.path import Step, Way
from analytics.health.model.definition import DEFAULT, Absence, Band, Cause, HealthModel, Measure
from analytics.health.model.inputs import input_of
from analytics.health.wording.words import Phrases, Read, number, percent, signed

BANDS = {Band.AT_RISK: "at risk", Band.STEADY: "steady", Band.HEALTHY: "healthy"}


def day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def count(x: float, one: str, several: str | None = None) -> str:
    """`1 order`, `3 orders`, `no open case`."""
    return f"no {one}" if x == 0 else f"{number(x)} {one if x == 1 else several or one + 's'}"


def days(n: float) -> str:
    return f"{number(n)} day" if n == 1 else f"{number(n)} days"


def _ago(read: Read) -> str:
    return f"{days(read.days)} ago" if read.days else "less than a day ago"


def _in_brackets(read: Read) -> str:
    return f" ({day(read.day)})" if read.day else ""


def _over(read: Read) -> str:
    if read.measure.half_life_days:
        return f", each counting half after {days(read.measure.half_life_days)}"
    return f" in the {days(read.window)} before" if read.window else " in all"


def _last(read: Read) -> str:
    return f", the last on {day(read.day)}" if read.day else ""


def _since(what: str) -> Callable[[Read], str]:
    return lambda read: f"last {what} {_ago(read)}{_in_brackets(read)}"


def _counted(one: str, then: str = "", several: str | None = None) -> Callable[[Read], str]:
    return lambda read: f"{count(read.x, one, several)}{then}{_over(read)}{_last(read) if read.x else ''}"


def _standing(one: str, several: str | None = None) -> Callable[[Read], str]:
    return lambda read: count(read.x, one, several)


def _summed(what: str) -> Callable[[Read], str]:
    return lambda read: f"{what} {number(read.x)}{_over(read)}"


def _mean(what: str) -> Callable[[Read], str]:
    return lambda read: f"{what} {number(read.x)} on average{_over(read)}"


def _trend(what: str) -> Callable[[Read], str]:
    def said(read: Read) -> str:
        window = days(read.window or 0)
        return f"{what} of the last {window} at {percent(read.x)} of that of the {window} before"

    return said


def _renewal(read: Read) -> str:
    if read.x < 0:
        return f"renewal was due {_ago(read)}{_in_brackets(read)}"
    return f"renewal in {days(read.days)}{_in_brackets(read)}"


PHRASES: Phrases = {
    "purchase_recency": _since("purchase"),
    "orders": _counted("order"),
    "revenue": _summed("orders worth"),
    "revenue_trend": _trend("value of orders"),
    "returns": _counted("return"),
    "usage": _summed("use of"),
    "feature_adoption": lambda read: f"{percent(read.x)} of what was bought is used",
    "seat_growth": lambda read: f"seats at {percent(read.x)} of those {days(read.window or 0)} before",
    "engagement": _counted("exchange"),
    "engagement_recency": _since("exchange"),
    "breadth": _counted("contact", " in exchanges"),
    "open_cases": _standing("open case"),
    "complaints": _counted("complaint"),
    "sla_breaches": _counted("case", " resolved too late"),
    "reopened_cases": _counted("case", " reopened"),
    "support": _counted("case", " opened"),
    "csat": _mean("satisfaction"),
    "nps": lambda read: f"{number(read.x)} of 10 when last asked{_in_brackets(read)}",
    "ces": _mean("effort"),
    "sentiment": _mean("sentiment"),
    "pulse": lambda read: f"judged at {number(read.x)} of 100{_in_brackets(read)}",
    "renewal": _renewal,
    "overdue_invoices": _standing("overdue invoice"),
    "tenure": lambda read: f"a customer for {days(read.days)}" + (f" (since {day(read.day)})" if read.day else ""),
    "referrals": _counted("customer", " referred"),
    "loyalty_tier": lambda read: f"tier {read.word}",
    "milestones": lambda read: f"{percent(read.x)} of the milestones met by their dates{_over(read)}",
    "open_opportunities": _standing("open opportunity", "open opportunities"),
    "signal.latest": lambda read: f"last reading {number(read.x)}{_in_brackets(read)}",
    "signal.sum": lambda read: f"readings come to {number(read.x)}{_over(read)}",
    "signal.mean": _mean("readings of"),
}

_UNITS = {
    "days": ("day", "days"),
    "orders": ("order", "orders"),
    "returns": ("return", "returns"),
    "uses": ("use", "uses"),
    "touchpoints": ("exchange", "exchanges"),
    "contacts": ("contact", "contacts"),
    "cases": ("case", "cases"),
    "invoices": ("invoice", "invoices"),
    "customers": ("customer", "customers"),
    "opportunities": ("opportunity", "opportunities"),
    "points": ("point", "points"),
}


class English:
    phrases = PHRASES
    bands: Mapping[Band, str] = BANDS

    def title(self, _: HealthModel | None, measure: Measure, /) -> str:
        return measure.title or measure.id

    def day(self, on: date, /) -> str:
        return day(on)

    def only(self, field: str, values: tuple[str, ...]) -> str:
        return f", of those with {field.replace('_', ' ')} {' or '.join(values)}"

    def summary(self, explanation: Explanation, on: str, band: str, weakest: Contribution | None) -> str:
        said = f"On {on}: {explanation.score:.1f} of 100, {band}. By {_model(explanation.model)}; "
        said += f"{percent(explanation.coverage)} of what it looks at has data."
        if weakest is not None:
            said += f" Held back most by {self.title(explanation.model, weakest.measure)} ({weakest.score:.1f} of 100)."
        return said

    def unknown(self, explanation: Explanation, on: str) -> str:
        return f"On {on}: nothing is known of what {_model(explanation.model)} looks at."

    def unscored(self, on: str) -> str:
        return f"On {on}: no score. It stands for many customers, so no model is for it."

    def brings(self, title: str, phrase: str, contribution: Contribution, score: float) -> str:
        worth = f"worth {contribution.score:.1f} of 100"
        return f"{title}: {phrase}; {worth}, brings {contribution.contribution:.1f} of the {score:.1f} points."

    def absent(self, title: str, measure: Measure, contribution: float, *, published: bool) -> str:
        why = "no data yet" if published else "no service tells of it yet"
        match measure.absence:
            case Absence.LEFT_OUT:
                return f"{title}: {why}; left out, its weight is shared among the rest."
            case Absence.NEUTRAL:
                return f"{title}: {why}; counts as 50 of 100, brings {contribution:.1f} points."
            case _:
                return f"{title}: {why}; counts as 0."

    def changed(self, difference: Difference, first: str, last: str) -> str:
        before, after = self._score(difference.before), self._score(difference.after)
        said = f"From {first} to {last}: {before}, then {after}; {signed(difference.change)}."
        return said + (f" {signed(difference.by_model)} of it as the model changed." if difference.swaps else "")

    def swapped(self, swap: Swapped, on: str) -> str:
        before, after = self._score(swap.before), self._score(swap.after)
        said = f"On {on} the model changed: {before} by {_model(swap.before.model)}, then {after} by"
        return f"{said} {_model(swap.after.model)}; {signed(swap.change)}."

    def _score(self, explanation: Explanation) -> str:
        if explanation.score is None or explanation.band is None:
            return "nothing known"
        return f"{explanation.score:.1f} ({BANDS[explanation.band]})"

    def change(self, title: str, change: MeasureChange, before: str | None, after: str | None) -> str:
        said = f"{title}: {signed(change.change)}."
        match change.course:
            case ChangeKind.CAME:
                said += f" There are data now: {after}."
            case ChangeKind.WENT:
                said += f" There are no data any more; before: {before}."
            case ChangeKind.ADDED:
                said += f" The model looks at it now: {after or 'no data'}."
            case ChangeKind.DROPPED:
                said += f" The model looks at it no more; before: {before or 'no data'}."
            case ChangeKind.CHANGED if before != after:
                said += f" Before: {before}; now: {after}."
            case _:
                said += f" As before: {after or 'no data'}."
        if round(change.by_share, 1):
            said += f" {signed(change.by_share)} of it as its share of the whole changed."
        if round(change.by_model, 1):
            said += f" {signed(change.by_model)} of it as the model changed."
        events = [
            f"{count(len(events), 'event')} {what}"
            for events, what in ((change.came_in, "came in"), (change.fell_out, "fell out"))
            if events
        ]
        return said + (f" {' and '.join(events).capitalize()}." if events else "")

    def way(self, way: Way, score: float, silent_on: str | None, *, up: bool) -> str:
        band, border = BANDS[way.band].capitalize(), number(way.border)
        if up:
            said = f"{band} from {border}: {way.points:.1f} more than {score:.1f}."
        else:
            said = f"{band} below {border}: {-way.points:.1f} less than {score:.1f}."
        if way.best is None:
            said += " No single step leads there."
        elif not way.best.crosses:
            said += f" No single step is enough; the best one leads to {way.best.score:.1f}."
        return said + (f" If nothing happens, on {silent_on}." if silent_on is not None else "")

    def caveat(self) -> str:
        return "Each of these alone and at once, all else as it is: arithmetic, not a promise."

    def act(self, doing: RepeatedAct) -> str:
        one, several = _ACTS[doing.act]
        said = one.format(x=number(doing.value or 0), word=doing.word)
        if doing.times > 1:
            said = f"{number(doing.times)} {several.format(x=number(doing.value or 0))}"
        if doing.act is Act.PURCHASE and doing.value is not None:
            said += ", whatever its amount" if doing.whatever_its_amount else f" of {number(doing.value)}"
        return said + "".join(_said_by(name, each) for name, each in doing.fields.items() if name not in _MEANT)

    def step(self, title: str, step: Step, now: str | None, to: str | None, *, up: bool) -> str:
        if step.doing is None or step.score is None or step.band is None:
            if not input_of(step.measure).published:
                return f"{title}: no service tells of it yet."
            return f"{title}: nothing that can be done {'raises' if up else 'lowers'} the score by it."
        if now is not None and input_of(step.measure).unit in _UNITS:
            now, _, _ = now.partition(" ")  # the unit was said
        said = f"{title}: {self.act(step.doing)}"
        if not step.doing.whatever_its_amount:
            said += f" {'makes' if step.doing.times == 1 else 'make'} it {to}"
            said += f" instead of {now}" if now is not None else ", where there are no data now"
        return f"{said}; the score is {step.score:.1f} then, {'' if step.crosses else 'still '}{BANDS[step.band]}."

    def turned(self, on: str, change: BandChange) -> str:
        before, after = (BANDS[each] if each is not None else "unknown" for each in (change.from_band, change.band))
        return f"{on}: from {before} to {after}, {_CAUSES[change.cause]}."

    def amount(self, unit: str, text: str) -> str:
        one, several = _UNITS.get(unit, ("", ""))
        return f"{text} {one if text == '1' else several}".strip()


_CAUSES = {
    Cause.EVENT: "by what happened",
    Cause.SILENCE: "by silence alone",
    Cause.MODEL: "as the model changed",
    Cause.CORRECTION: "as what came late changed the past",
}


def _model(model: HealthModel | None) -> str:
    if model is None:
        return "no model"
    if model.id == DEFAULT.id:
        return "the default model"
    return f"the model \u201c{model.title or model.id}\u201d, number {model.version}"


_ACTS = {
    Act.PURCHASE: ("a purchase", "purchases"),
    Act.RETURN: ("a return", "returns"),
    Act.EXCHANGE: ("an exchange", "exchanges"),
    Act.NEW_CONTACT: ("an exchange with another contact", "exchanges with other contacts"),
    Act.CASE_OPENED: ("a case that is opened", "cases that are opened"),
    Act.CASE_RESOLVED: ("a case that is resolved", "cases that are resolved"),
    Act.CASE_RESOLVED_LATE: ("a case that is resolved too late", "cases that are resolved too late"),
    Act.CASE_REOPENED: ("a case that is reopened", "cases that are reopened"),
    Act.OPPORTUNITY_OPENED: ("an opportunity that is opened", "opportunities that are opened"),
    Act.OPPORTUNITY_CLOSED: ("an opportunity that is won or lost", "opportunities that are won or lost"),
    Act.JUDGEMENT: ("a judgement of {x}", ""),
    Act.READING: ("a reading of {x}", ""),
    Act.REFERRAL: ("a referral", "referrals"),
    Act.TIER: ("the tier {word}", ""),
}
_MEANT = frozenset({"sla_met"})
"""What the act says already."""


def _said_by(name: str, value: str) -> str:
    return f" ({name.replace('_', ' ')} {value})"
