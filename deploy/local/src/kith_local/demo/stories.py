"""Twelve customers of a coffee roastery: hotels, offices, cafés and people at home. One year of each relationship.

Days count backwards from the day the demo was first loaded. The courses differ on purpose: some grow, one is being
lost, one was won back, one never answered, so that health and retention have something to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Product(NamedTuple):
    key: str
    name: str
    family: str
    price: int


class Person(NamedTuple):
    name: str
    role: str


class Touch(NamedTuple):
    day: int
    channel: str
    direction: str
    outcome: str | None = None
    campaign: str | None = None


class Orders(NamedTuple):
    """From `first` days ago every `every` days until `last` days ago; each worth `growth` times the one before."""

    first: int
    every: int
    last: int
    value: float
    growth: float = 1.0

    def days(self) -> Iterator[tuple[int, float]]:
        for number, day in enumerate(range(self.first, self.last - 1, -self.every)):
            yield day, round(self.value * self.growth**number, 2)


class Deal(NamedTuple):
    name: str
    product: str
    value: int
    steps: tuple[tuple[int, str], ...]
    """When it came to which stage. The first one opens it; won or lost ends it."""


class Case(NamedTuple):
    subject: str
    priority: str
    channel: str
    category: str
    opened: float
    steps: tuple[tuple[float, str], ...] = ()
    """Days after it was opened, and what was done."""


class Pulse(NamedTuple):
    """What its owner thought of the relationship on that day."""

    day: int
    score: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    key: str
    name: str
    kind: str = "organisation"
    country: str
    segment: str
    tier: str | None = None
    source: str
    owner: str
    since: int
    people: tuple[Person, ...] = ()
    touches: tuple[Touch, ...] = ()
    deals: tuple[Deal, ...] = ()
    orders: tuple[Orders, ...] = ()
    returns: tuple[tuple[int, float], ...] = ()
    cases: tuple[Case, ...] = ()
    cups: tuple[Orders, ...] = ()
    """Brewed in a week, as its leased machine reports."""
    pulses: tuple[Pulse, ...] = ()


PRODUCTS = (
    Product("house-blend", "House Blend, 10 kg", "beans", 189),
    Product("espresso-sub", "Espresso subscription, monthly", "beans", 39),
    Product("machine-lease", "Machine lease, yearly", "machines", 2400),
    Product("grinder", "Grinder M7", "machines", 1150),
    Product("barista-day", "Barista training, one day", "training", 890),
)

QUICK = ((0.05, "start"), (0.3, "resolve"), (3.0, "close"))
SLOW = ((1.5, "start"), (2.0, "wait"), (9.0, "resolve"), (14.0, "close"))

STORIES = (
    Story(
        key="hotel-adler",
        name="Hotel Adler",
        country="AT",
        segment="hospitality",
        tier="gold",
        source="referral",
        owner="nadia",
        since=362,
        people=(Person("Johanna Pichler", "purchasing"), Person("Lukas Auer", "kitchen")),
        touches=(
            Touch(361, "phone", "inbound", "asked for samples"),
            Touch(340, "visit", "outbound", "tasting"),
            Touch(120, "email", "outbound", "opened", "spring-menu"),
            Touch(6, "phone", "inbound", "reordered"),
        ),
        deals=(
            Deal("Breakfast service", "house-blend", 9800, ((355, "engaging"), (344, "proposing"), (335, "won"))),
            Deal("Second machine", "machine-lease", 2400, ((40, "engaging"), (12, "negotiating"))),
        ),
        orders=(Orders(330, 30, 6, 756, 1.03),),
        cases=(Case("Delivery came a day late", "moderate", "phone", "delivery", 150, QUICK),),
        pulses=(Pulse(38, 90, "They recommend us to other houses."),),
    ),
    Story(
        key="cafe-miro",
        name="Café Miró",
        country="ES",
        segment="gastronomy",
        tier="silver",
        source="trade-fair",
        owner="tomas",
        since=300,
        people=(Person("Núria Ferrer", "owner"),),
        touches=(
            Touch(299, "visit", "inbound", "met at the fair", "barcelona-fair"),
            Touch(60, "chat", "inbound", "grinder settings"),
        ),
        deals=(Deal("Opening order", "grinder", 3200, ((298, "prospecting"), (280, "proposing"), (270, "won"))),),
        orders=(Orders(268, 21, 4, 412, 1.05),),
        cases=(Case("Grinder too coarse", "low", "chat", "machine", 60, QUICK),),
    ),
    Story(
        key="nordlys-office",
        name="Nordlys Arkitekter",
        country="NO",
        segment="office",
        tier="silver",
        source="website",
        owner="nadia",
        since=345,
        people=(Person("Ingrid Dahl", "office"), Person("Emil Berg", "facilities")),
        touches=(
            Touch(344, "web", "inbound", "form"),
            Touch(200, "email", "outbound", "opened", "autumn-beans"),
            Touch(95, "email", "outbound", "unopened", "winter-beans"),
        ),
        deals=(Deal("Office lease", "machine-lease", 4800, ((340, "engaging"), (325, "won"))),),
        # Slower and smaller since the complaint below: the one to call today.
        orders=(Orders(320, 28, 150, 640), Orders(110, 45, 60, 310, 0.8)),
        returns=((148, 320.0),),
        cases=(
            Case("Machine leaks", "high", "email", "machine", 152, SLOW),
            Case("Machine leaks again", "high", "phone", "machine", 58, ((2.0, "start"), (6.0, "wait"))),
            Case("Wrong beans delivered", "moderate", "email", "delivery", 12),
        ),
        cups=(Orders(320, 7, 3, 540, 0.97),),
        pulses=(
            Pulse(200, 75, "The new office likes the machine."),
            Pulse(10, 30, "Somebody there asked what the competition charges."),
        ),
    ),
    Story(
        key="bakkerij-devos",
        name="Bakkerij De Vos",
        country="BE",
        segment="gastronomy",
        source="referral",
        owner="tomas",
        since=330,
        people=(Person("Pieter De Vos", "owner"),),
        touches=(Touch(329, "phone", "inbound", "asked for prices"), Touch(100, "phone", "outbound", "no answer")),
        orders=(Orders(325, 35, 190, 378),),
        cases=(Case("Invoice paid twice", "moderate", "email", "billing", 205, SLOW),),
    ),
    Story(
        key="studio-kolb",
        name="Studio Kolb",
        country="DE",
        segment="office",
        source="website",
        owner="nadia",
        since=290,
        people=(Person("Miriam Kolb", "owner"),),
        touches=(
            Touch(289, "web", "inbound", "form"),
            Touch(70, "email", "outbound", "opened", "we-miss-you"),
            Touch(66, "phone", "inbound", "came back"),
        ),
        # Silent for five months, then won back.
        orders=(Orders(285, 30, 220, 234), Orders(64, 30, 3, 260, 1.1)),
        deals=(
            Deal("Training day", "barista-day", 890, ((250, "engaging"), (221, "lost"))),
            Deal("Come back", "espresso-sub", 468, ((68, "engaging"), (64, "won"))),
        ),
    ),
    Story(
        key="hospital-st-anna",
        name="Klinikum St. Anna",
        country="DE",
        segment="health",
        tier="gold",
        source="tender",
        owner="greta",
        since=240,
        people=(Person("Dr. Armin Reuter", "purchasing"), Person("Selma Korkmaz", "catering")),
        touches=(
            Touch(239, "email", "inbound", "invitation to tender"),
            Touch(180, "visit", "outbound", "presentation"),
            Touch(30, "visit", "outbound", "review"),
        ),
        deals=(
            Deal(
                "Staff canteen",
                "house-blend",
                21_000,
                ((235, "prospecting"), (210, "engaging"), (180, "proposing"), (160, "negotiating"), (141, "won")),
            ),
            Deal("Visitors' café", "machine-lease", 14_400, ((28, "prospecting"),)),
        ),
        orders=(Orders(138, 14, 5, 1512),),
        cases=(
            Case("Needs invoices by cost centre", "low", "email", "billing", 120, QUICK),
            Case("Pallet damaged", "critical", "phone", "delivery", 75, ((0.02, "start"), (0.2, "resolve"))),
        ),
    ),
    Story(
        key="rollende-bohne",
        name="Rollende Bohne",
        country="CH",
        segment="gastronomy",
        source="social",
        owner="tomas",
        since=170,
        people=(Person("Reto Zbinden", "owner"),),
        touches=(Touch(169, "social", "inbound", "message"), Touch(20, "social", "inbound", "recommended us")),
        orders=(Orders(165, 12, 2, 189, 1.04),),
    ),
    Story(
        key="lumen-coworking",
        name="Lumen Coworking",
        country="NL",
        segment="office",
        source="campaign",
        owner="greta",
        since=80,
        people=(Person("Daan Visser", "community"),),
        touches=(
            Touch(79, "email", "inbound", "answered a mailing", "spring-menu"),
            Touch(50, "visit", "outbound", "tasting"),
            Touch(9, "email", "outbound", "offer sent"),
        ),
        deals=(Deal("Three floors", "machine-lease", 7200, ((75, "prospecting"), (50, "engaging"), (9, "proposing"))),),
    ),
    Story(
        key="elif-demir",
        name="Elif Demir",
        kind="person",
        country="DE",
        segment="home",
        source="website",
        owner="shop",
        since=355,
        people=(Person("Elif Demir", "self"),),
        touches=(Touch(180, "email", "outbound", "opened", "autumn-beans"),),
        orders=(Orders(354, 30, 5, 39),),
    ),
    Story(
        key="marc-tessier",
        name="Marc Tessier",
        kind="person",
        country="FR",
        segment="home",
        source="referral",
        owner="shop",
        since=260,
        people=(Person("Marc Tessier", "self"),),
        orders=(Orders(258, 30, 130, 39),),
        returns=((128, 39.0),),
        cases=(Case("Cancelled: moving abroad", "low", "email", "subscription", 128, QUICK),),
    ),
    Story(
        key="ada-lindqvist",
        name="Ada Lindqvist",
        kind="person",
        country="SE",
        segment="home",
        source="social",
        owner="shop",
        since=95,
        people=(Person("Ada Lindqvist", "self"),),
        touches=(Touch(94, "social", "inbound", "message"), Touch(33, "chat", "inbound", "brewing advice")),
        orders=(Orders(93, 30, 3, 39), Orders(30, 60, 30, 1150)),
        cases=(Case("Grinder arrived without lid", "moderate", "chat", "machine", 27, QUICK),),
    ),
    Story(
        key="jon-arana",
        name="Jon Arana",
        kind="person",
        country="ES",
        segment="home",
        source="campaign",
        owner="shop",
        since=45,
        people=(Person("Jon Arana", "self"),),
        touches=(
            Touch(44, "email", "outbound", "unopened", "spring-menu"),
            Touch(15, "email", "outbound", "unopened", "summer-menu"),
        ),
    ),
)
