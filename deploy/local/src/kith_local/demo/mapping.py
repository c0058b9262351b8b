"""The stories as commands for the bulk API. The same day gives the same commands: sent again, they change nothing."""

from datetime import UTC, date, datetime, time, timedelta

from kith_local.demo.health import roastery
from kith_local.demo.stories import PRODUCTS, STORIES, Case, Deal, Story
from kith_local.replay import commands as nouns
from kith_local.replay.commands import Mapped, Noun, Reference
from kith_local.replay.files import Row

CONTACTS = Noun("contacts", "contacts")
CURRENCY = "EUR"
CARE = "jule"
"""Who works on cases."""
OPENS_AT = time(9, tzinfo=UTC)
CUPS = Reference(nouns.SIGNALS, "cups")


def map_demo(today: date) -> Mapped:
    mapped = Mapped()
    # What is referred to goes before what refers to it, and a noun is sent whole.
    for name in dict.fromkeys((*(story.owner for story in STORIES), CARE)):
        mapped.invite(_row("staff", 0), name, _at(today, 365))
    for number, product in enumerate(PRODUCTS):
        since = _at(today, 365)
        mapped.add(
            nouns.PRODUCTS,
            _row(product.key, number),
            product.key,
            since,
            name=product.name,
            family=product.family,
            price=f"{product.price}",
            currency=CURRENCY,
        )
    _health(mapped, today)
    for number, story in enumerate(STORIES):
        _StoryCommands(mapped, today, story, _row(story.key, number)).add_all()
    return mapped


def _health(mapped: Mapped, today: date) -> None:
    """What the roastery looks at to know how a relationship is; and a ready-made model, still a draft."""
    row = _row("health", 0)
    mapped.add(
        nouns.SIGNALS,
        row,
        CUPS.external_id,
        _at(today, 364),
        code="cups_a_week",
        title="Cups brewed in a week",
        unit="cups",
        description="The counter of a leased machine, read every week.",
    )
    mapped.add(nouns.HEALTH_MODELS, row, "roastery", _at(today, 340), document=roastery(CUPS))
    mapped.add(nouns.HEALTH_MODELS, row, "roastery", _at(today, 335), "publish")
    mapped.add(nouns.HEALTH_MODELS, row, "at-home", _at(today, 20), gallery="retail")


class _StoryCommands:
    """One story, being mapped."""

    def __init__(self, mapped: Mapped, today: date, story: Story, row: Row) -> None:
        self._mapped = mapped
        self._today = today
        self._story = story
        self._row = row
        self._customer = Reference(nouns.CUSTOMERS, story.key)
        self._owner = Reference(nouns.USERS, story.owner)

    def add_all(self) -> None:
        story = self._story
        self._add(
            nouns.CUSTOMERS,
            story.key,
            story.since,
            kind=story.kind,
            name=story.name,
            country=story.country,
            segment=story.segment,
            tier=story.tier,
            source=story.source,
            owner_id=self._owner,
        )
        self._people()
        self._touches()
        for number, deal in enumerate(story.deals):
            self._deal(f"{story.key}-deal-{number}", deal)
        self._orders()
        for number, case in enumerate(story.cases):
            self._case(f"{story.key}-case-{number}", case)
        weeks = [each for cups in story.cups for each in cups.days()]
        for number, (day, count) in enumerate(weeks):
            self._add(
                nouns.READINGS,
                f"{story.key}-cups-{number}",
                day,
                signal_id=CUPS,
                customer_id=self._customer,
                value=round(count),
            )
        for number, pulse in enumerate(story.pulses):
            self._add(
                nouns.PULSES,
                f"{story.key}-pulse-{number}",
                pulse.day,
                customer_id=self._customer,
                score=pulse.score,
                note=pulse.note,
            )

    def _people(self) -> None:
        for number, person in enumerate(self._story.people):
            self._add(
                CONTACTS,
                f"{self._story.key}-contact-{number}",
                self._story.since,
                customer_id=self._customer,
                name=person.name,
                email=f"contact-{number}@{self._story.key}.example",
                role=person.role,
            )

    def _touches(self) -> None:
        for number, touch in enumerate(self._story.touches):
            self._add(
                nouns.TOUCHPOINTS,
                f"{self._story.key}-touch-{number}",
                touch.day,
                customer_id=self._customer,
                channel=touch.channel,
                direction=touch.direction,
                outcome=touch.outcome,
                campaign=touch.campaign,
            )

    def _deal(self, key: str, deal: Deal) -> None:
        (opened, stage), *steps = deal.steps
        self._add(
            nouns.OPPORTUNITIES,
            key,
            opened,
            name=deal.name,
            customer_id=self._customer,
            stage=stage,
            owner_id=self._owner,
            product_id=Reference(nouns.PRODUCTS, deal.product),
            value=f"{deal.value}",
            currency=CURRENCY,
            source=self._story.source,
        )
        for day, step in steps:
            match step:
                case "won":
                    self._add(nouns.OPPORTUNITIES, key, day, "win")
                case "lost":
                    self._add(nouns.OPPORTUNITIES, key, day, "lose", reason="budget")
                case _:
                    self._add(nouns.OPPORTUNITIES, key, day, "advance", stage=step)

    def _orders(self) -> None:
        days = [each for orders in self._story.orders for each in orders.days()]
        for number, (day, value) in enumerate(days):
            self._sale(nouns.ORDERS, f"{self._story.key}-order-{number}", day, value)
        for number, (day, value) in enumerate(self._story.returns):
            self._sale(nouns.RETURNS, f"{self._story.key}-return-{number}", day, value)

    def _sale(self, noun: Noun, key: str, day: int, value: float) -> None:
        self._add(
            noun,
            key,
            day,
            customer_id=self._customer,
            value=f"{value:.2f}",
            currency=CURRENCY,
            country=self._story.country,
        )

    def _case(self, key: str, case: Case) -> None:
        self._add(
            nouns.CASES,
            key,
            case.opened,
            customer_id=self._customer,
            subject=case.subject,
            priority=case.priority,
            channel=case.channel,
            category=case.category,
            queue="care",
        )
        for after, step in case.steps:
            said: dict[str, dict[str, object]] = {
                "start": {"assignee_id": Reference(nouns.USERS, CARE)},
                "wait": {"reason": "spare part"},
                "resolve": {"sla_met": after < 2},
            }
            self._add(nouns.CASES, key, case.opened - after, step, **said.get(step, {}))

    def _add(self, noun: Noun, key: str, day: float, verb: str | None = None, /, **fields: object) -> None:
        self._mapped.add(noun, self._row, key, _at(self._today, day), verb, **fields)


def _at(today: date, days_ago: float) -> datetime:
    return datetime.combine(today, OPENS_AT) - timedelta(days=days_ago)


def _row(key: str, number: int) -> Row:
    return Row("demo", number + 1, number + 1, {"key": key})
