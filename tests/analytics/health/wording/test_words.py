# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with
"""Every sentence can be said, of every input, in both languages; and reads as somebody would say it."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.analytics.health.histories import Past, base_of
from tests.analytics.health_of_a_shop import SHOP

from analytics.health.engine.base import FAR, UNITS, micros
from analytics.health.explain.contributions import Explanation, explain
from analytics.health.explain.difference import difference
from analytics.health.explain.history import history
from analytics.health.explain.path import path
from analytics.health.model.definition import DAY, HealthModel
from analytics.health.model.inputs import INPUTS, Kind, input_of
from analytics.health.wording.languages import WORDINGS, language_of
from analytics.health.wording.words import Language, Words, number, signed
from kith.errors import Invalid
from kith.ids import new_id

NOON = micros(datetime.fromisoformat("2011-12-09T12:00:00+00:00"))
ENGLISH, CHINESE = Language.ENGLISH, Language.CHINESE


def words(language: Language, zone: str = "UTC") -> Words:
    return Words(WORDINGS[language], ZoneInfo(zone))


def order(days_before: float) -> Past:
    return Past(NOON - round(days_before * DAY), int(FAR), UNITS, new_id().bytes)


def buyer(*days_before: float, at: int = NOON) -> Explanation:
    orders = [order(each) for each in days_before]
    return explain(SHOP, base_of(SHOP, [[orders, orders, []]]), at)[0]


def sentences(language: Language, explanation: Explanation) -> list[str]:
    return [words(language).contribution(explanation, each) for each in explanation.contributions]


def test_a_score_is_worded_as_one_would_say_it() -> None:
    explanation = buyer(121, 130.5, 480)
    assert words(ENGLISH).summary(explanation) == (
        "On 9 December 2011: 43.0 of 100, steady. By the default model; 80% of what it looks at has data. "
        "Held back most by Recency of purchase (36.2 of 100)."
    )
    recency, frequency, cases = sentences(ENGLISH, explanation)
    assert recency == (
        "Recency of purchase: last purchase 121 days ago (10 August 2011); worth 36.2 of 100, brings 20.4 of the 43.0 "
        "points."
    )
    assert frequency == (
        "Orders in a year: 2 orders in the 365 days before, the last on 10 August 2011; worth 51.7 of 100, brings "
        "22.6 of the 43.0 points."
    )
    assert cases == "Open cases: no data yet; left out, its weight is shared among the rest."


def test_and_in_chinese() -> None:
    explanation = buyer(121, 130.5, 480)
    assert words(CHINESE).summary(explanation) == (
        "2011年12月9日：健康度43.0分（满分100分），稳定。默认模型第1版，有数据的指标占权重的80%。"
        "失分最多的是“最近一次购买”（36.2分）。"
    )
    assert sentences(CHINESE, explanation) == [
        "最近一次购买：最近一次购买在121天前（2011年8月10日）；折合36.2分（满分100分），在总分43.0分中贡献20.4分。",
        "一年内的订单：此前365天内下单2次，最近一次在2011年8月10日；折合51.7分（满分100分），在总分43.0分中贡献22.6分。",
        "未结工单：暂无数据；不计分，其权重由其他指标分摊。",
    ]


def measure_of(name: str, **more: Any) -> dict[str, Any]:
    measure: dict[str, Any] = {
        "id": name,
        "title": "#",
        "input": name,
        "weight": 1,
        "curve": [[0, 0], [20, 100]],
    } | more
    if INPUTS[name].kind in (Kind.TREND, Kind.GROWTH, Kind.DISTINCT):
        measure["window_days"] = 90
    if name == "loyalty_tier":
        measure["values"] = {"silver": 7, "gold": 14}
    return measure


def variants() -> list[dict[str, Any]]:
    found = [measure_of(name) for name in INPUTS if name != "signal"]
    found += [measure_of("signal", signal=str(new_id()), aggregate=each) for each in ("latest", "sum", "mean", None)]
    found += [measure_of("orders", half_life_days=30), measure_of("engagement", where={"channel": ["email", "web"]})]
    return found


@pytest.mark.parametrize("measure", variants(), ids=lambda each: f"{each['input']}-{each.get('aggregate')}")
def test_every_sentence_of_every_input_can_be_said(measure: dict[str, Any]) -> None:
    model = HealthModel.from_document("m", 3, {"title": "#", "measures": [measure]})
    kind = input_of(model.measures[0]).kind
    for value in (0, 1, -3.25):
        ends = (
            NOON + round(value * DAY)
            if kind is Kind.AHEAD
            else UNITS
            if kind is Kind.STANDING
            else round(value * UNITS)
        )
        past = [Past(NOON - round(days * DAY), int(FAR), ends, new_id().bytes) for days in (150, 30.5)]
        base = base_of(model, [[past]])
        now, before = explain(model, base, NOON)[0], explain(model, base, NOON - 60 * DAY)[0]
        unknown = explain(model, base_of(model, [[[]]]), NOON)[0]
        turned = history(model, base, 0, NOON - 200 * DAY, NOON).changes
        for language in Language:
            spoken = words(language)
            said = [spoken.summary(now), spoken.summary(unknown), *map(spoken.band_change, turned)]
            for pair in ((unknown, now), (now, unknown), (before, now), (now, now)):
                changes = difference(*pair)
                said += [spoken.difference(changes), *(spoken.change(changes, each) for each in changes.changes)]
            for each in (now, unknown):
                said += [spoken.contribution(each, part) for part in each.contributions]
                found = path(each)
                for way in filter(None, (found.up, found.down)):
                    said += [spoken.way(found, way), *(spoken.step(found, way, step) for step in way.steps)]
            for sentence in said:
                well_said(sentence, language)


def well_said(sentence: str, language: Language) -> None:
    assert not re.search(r"None|nan|inf|[{}<>]|  | [.,;]|\(\)|_", sentence), sentence
    if language is ENGLISH:
        assert sentence.endswith(".")
        assert not re.search("[\u3000-\u9fff\uff00-\uffef]", sentence), sentence
        return
    assert sentence.endswith("。")
    assert re.search("[\u4e00-\u9fff]", sentence), sentence
    plain = re.sub(r"仅计channel为email、web|（(channel|category)为\w+）|silver|gold|\d[.,]\d", "", sentence)
    assert not re.search("[A-Za-z.,;:!? ]", plain), sentence


def test_one_is_not_said_as_many() -> None:
    assert "1 order in" in sentences(ENGLISH, buyer(2))[1]
    assert "last purchase 1 day ago" in sentences(ENGLISH, buyer(1.5))[0]
    assert "last purchase less than a day ago" in sentences(ENGLISH, buyer(0.2))[0]
    assert "最近一次购买在不到一天前" in sentences(CHINESE, buyer(0.2))[0]
    assert "no order in the 365 days before;" in sentences(ENGLISH, buyer(400))[1]
    assert "此前365天内没有下单；" in sentences(CHINESE, buyer(400))[1]


def test_a_day_is_the_tenants() -> None:
    explanation = buyer(0.75)
    assert "(8 December 2011)" in words(ENGLISH).contribution(explanation, explanation.contributions[0])
    abroad = words(ENGLISH, "Asia/Shanghai").contribution(explanation, explanation.contributions[0])
    assert "(9 December 2011)" in abroad


def test_a_change_names_before_and_after_and_what_came_in() -> None:
    orders = [order(each) for each in (300, 100, 2)]
    base = base_of(SHOP, [[orders, orders, []]])
    changes = difference(explain(SHOP, base, NOON - 10 * DAY)[0], explain(SHOP, base, NOON)[0])
    spoken = words(ENGLISH)
    assert (
        spoken.difference(changes)
        == "From 29 November 2011 to 9 December 2011: 50.7 (steady), then 83.6 (healthy); +32.9."
    )
    assert spoken.change(changes, changes.changes[0]) == (
        "Recency of purchase: +27.7. Before: last purchase 90 days ago (31 August 2011); now: last purchase 2 days ago "
        "(7 December 2011). 1 event came in and 1 event fell out."
    )
    assert words(CHINESE).change(changes, changes.changes[0]) == (
        "最近一次购买：+27.7分。原先：最近一次购买在90天前（2011年8月31日）；现在：最近一次购买在2天前（2011年12月7日）。"
        "新增1个事件，移出1个事件。"
    )


def test_the_way_is_worded_with_what_it_takes() -> None:
    found = path(buyer(121, 130.5))
    assert found.up is not None
    assert found.down is not None
    spoken = words(ENGLISH)
    assert spoken.way(found, found.up) == "Healthy from 72: 29.0 more than 43.0."
    assert spoken.way(found, found.down) == "At risk below 38: 5.0 less than 43.0."
    assert spoken.caveat() == "Each of these alone and at once, all else as it is: arithmetic, not a promise."
    up = {step.measure.id: spoken.step(found, found.up, step) for step in found.up.steps}
    assert up == {
        "recency": "Recency of purchase: a purchase makes it 0 days instead of 121; the score is 84.0 then, healthy.",
        "frequency": "Orders in a year: a purchase makes it 3 orders instead of 2; the score is 84.0 then, healthy.",
        "open_cases": "Open cases: a case that is opened makes it 1 case, where there are no data now; the score is "
        "48.4 then, still steady.",
    }
    down = {step.measure.id: spoken.step(found, found.down, step) for step in found.down.steps}
    assert down["recency"] == "Recency of purchase: nothing that can be done lowers the score by it."
    assert down["open_cases"] == (
        "Open cases: 4 cases that are opened make it 4 cases, where there are no data now; the score is 36.4 then, at "
        "risk."
    )
    chinese = words(CHINESE)
    (recency,) = (each for each in found.up.steps if each.measure.id == "recency")
    assert chinese.step(found, found.up, recency) == (
        "最近一次购买：购买1次，由121天变为0天；届时评分为84.0分，“健康”。"
    )


def test_numbers_are_rounded_and_signed() -> None:
    assert [number(x) for x in (1204, 3.46, -0.01, 0.95, 12.0)] == ["1,204", "3.5", "0", "0.9", "12"]
    assert [signed(x) for x in (3.46, -14.24, 0.04, -0.04)] == ["+3.5", "\u221214.2", "0.0", "0.0"]


@pytest.mark.parametrize(
    ("name", "accepted", "language"),
    [
        (None, None, ENGLISH),
        ("zh", "en", CHINESE),
        ("zh-Hans-CN", None, CHINESE),
        ("EN", None, ENGLISH),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        (None, "fr-FR,fr;q=0.9,en;q=0.5,zh;q=0.8", CHINESE),
        (None, "fr, de;q=0.9", ENGLISH),
        (None, "zh;q=0, *", ENGLISH),
        (None, "zh;q=much,,;", ENGLISH),
    ],
)
def test_a_language_is_named_or_liked(name: str | None, accepted: str | None, language: Language) -> None:
    assert language_of(name, accepted) is language


def test_an_unknown_language_is_refused_by_its_name() -> None:
    with pytest.raises(Invalid, match=r"There is no language 'fr'\. There are: en, zh\.") as refused:
        language_of("fr", "en")
    assert refused.value.field == "language"
