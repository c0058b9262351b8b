"""Health in Chinese, in simplified characters."""

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

# ruff: noqa: RUF001, RUF002 - full-width punctuation is what Chinese is written with

BANDS = {Band.AT_RISK: "有流失风险", Band.STEADY: "稳定", Band.HEALTHY: "健康"}
_DEFAULT = {"recency": "最近一次购买", "frequency": "一年内的订单", "open_cases": "未结工单"}
"""The measures of the model that nobody wrote. All others are called as their tenant calls them."""


def day(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _ago(read: Read) -> str:
    return f"{number(read.days)}天前" if read.days else "不到一天前"


def _in_brackets(read: Read) -> str:
    return f"（{day(read.day)}）" if read.day else ""


def _within(read: Read) -> str:
    if read.measure.half_life_days:
        return f"按每{number(read.measure.half_life_days)}天减半折算，"
    return f"此前{number(read.window)}天内" if read.window else "累计"


def _last(read: Read) -> str:
    return f"，最近一次在{day(read.day)}" if read.day else ""


def _since(what: str) -> Callable[[Read], str]:
    return lambda read: f"最近一次{what}在{_ago(read)}{_in_brackets(read)}"


def _counted(what: str, measure_word: str) -> Callable[[Read], str]:
    """`此前365天内下单3次，最近一次在2011年8月9日`, or that there was none."""

    def said(read: Read) -> str:
        if read.x == 0:
            return f"{_within(read)}没有{what}"
        return f"{_within(read)}{what}{number(read.x)}{measure_word}{_last(read)}"

    return said


def _standing(what: str, measure_word: str) -> Callable[[Read], str]:
    return lambda read: f"{number(read.x)}{measure_word}{what}" if read.x else f"没有{what}"


def _valued(what: str) -> Callable[[Read], str]:
    return lambda read: f"{_within(read)}{what}{number(read.x)}"


def _trend(what: str) -> Callable[[Read], str]:
    return lambda read: (
        f"最近{number(read.window or 0)}天的{what}为再往前{number(read.window or 0)}天的{percent(read.x)}"
    )


def _renewal(read: Read) -> str:
    if read.x < 0:
        return f"续约日已过{number(read.days)}天{_in_brackets(read)}"
    return f"距续约还有{number(read.days)}天{_in_brackets(read)}"


PHRASES: Phrases = {
    "purchase_recency": _since("购买"),
    "orders": _counted("下单", "次"),
    "revenue": _valued("下单金额为"),
    "revenue_trend": _trend("下单金额"),
    "returns": _counted("退货", "次"),
    "usage": _valued("使用量为"),
    "feature_adoption": lambda read: f"已购功能的使用率为{percent(read.x)}",
    "seat_growth": lambda read: f"席位数为{number(read.window or 0)}天前的{percent(read.x)}",
    "engagement": _counted("互动", "次"),
    "engagement_recency": _since("互动"),
    "breadth": lambda read: (
        f"{_within(read)}有{number(read.x)}位联系人参与互动" if read.x else f"{_within(read)}没有联系人参与互动"
    ),
    "open_cases": _standing("未结工单", "个"),
    "complaints": _counted("投诉", "次"),
    "sla_breaches": _counted("工单超时解决", "次"),
    "reopened_cases": _counted("工单重新打开", "次"),
    "support": _counted("提交工单", "次"),
    "csat": _valued("平均满意度为"),
    "nps": lambda read: f"最近一次推荐意愿为{number(read.x)}分，满分10分{_in_brackets(read)}",
    "ces": _valued("平均费力度为"),
    "sentiment": _valued("平均情绪分为"),
    "pulse": lambda read: f"人工评价{number(read.x)}分，满分100分{_in_brackets(read)}",
    "renewal": _renewal,
    "overdue_invoices": _standing("逾期发票", "张"),
    "tenure": lambda read: f"成为客户已{number(read.days)}天" + (f"（自{day(read.day)}起）" if read.day else ""),
    "referrals": _counted("推荐新客户", "位"),
    "loyalty_tier": lambda read: f"会员等级为{read.word}",
    "milestones": lambda read: f"{_within(read)}里程碑按期完成{percent(read.x)}",
    "open_opportunities": _standing("进行中的商机", "个"),
    "signal.latest": lambda read: f"最近一次读数为{number(read.x)}{_in_brackets(read)}",
    "signal.sum": _valued("读数合计"),
    "signal.mean": _valued("读数平均"),
}

_UNITS = {
    "days": "天",
    "orders": "单",
    "returns": "次退货",
    "uses": "次使用",
    "touchpoints": "次互动",
    "contacts": "位联系人",
    "cases": "个工单",
    "invoices": "张发票",
    "customers": "位客户",
    "opportunities": "个商机",
    "points": "分",
}


class Chinese:
    phrases = PHRASES
    bands: Mapping[Band, str] = BANDS

    def title(self, model: HealthModel | None, measure: Measure, /) -> str:
        own = measure.title or measure.id
        return _DEFAULT.get(measure.id, own) if model is not None and model.id == DEFAULT.id else own

    def day(self, on: date, /) -> str:
        return day(on)

    def only(self, field: str, values: tuple[str, ...]) -> str:
        return f"（仅计{field}为{'、'.join(values)}的）"

    def summary(self, explanation: Explanation, on: str, band: str, weakest: Contribution | None) -> str:
        said = f"{on}：健康度{explanation.score:.1f}分（满分100分），{band}。{_model(explanation.model)}，"
        said += f"有数据的指标占权重的{percent(explanation.coverage)}。"
        if weakest is not None:
            said += f"失分最多的是“{self.title(explanation.model, weakest.measure)}”（{weakest.score:.1f}分）。"
        return said

    def unknown(self, explanation: Explanation, on: str) -> str:
        return f"{on}：{_model(explanation.model)}的各项指标目前都没有数据。"

    def unscored(self, on: str) -> str:
        return f"{on}：没有评分。它代表许多未识别的客户，因此没有适用的模型。"

    def brings(self, title: str, phrase: str, contribution: Contribution, score: float) -> str:
        worth, part = f"折合{contribution.score:.1f}分（满分100分）", f"贡献{contribution.contribution:.1f}分"
        return f"{title}：{phrase}；{worth}，在总分{score:.1f}分中{part}。"

    def absent(self, title: str, measure: Measure, contribution: float, *, published: bool) -> str:
        why = "暂无数据" if published else "目前还没有服务提供这项数据"
        match measure.absence:
            case Absence.LEFT_OUT:
                return f"{title}：{why}；不计分，其权重由其他指标分摊。"
            case Absence.NEUTRAL:
                return f"{title}：{why}；按50分（满分100分）计，贡献{contribution:.1f}分。"
            case _:
                return f"{title}：{why}；按0分计。"

    def changed(self, difference: Difference, first: str, last: str) -> str:
        before, after = self._score(difference.before), self._score(difference.after)
        said = f"{first}至{last}：由{before}变为{after}，{signed(difference.change)}分。"
        return said + (f"其中{signed(difference.by_model)}分来自模型的更换。" if difference.swaps else "")

    def swapped(self, swap: Swapped, on: str) -> str:
        before, after = self._score(swap.before), self._score(swap.after)
        said = f"{on}模型更换：按{_model(swap.before.model)}为{before}，按{_model(swap.after.model)}为{after}"
        return f"{said}，{signed(swap.change)}分。"

    def _score(self, explanation: Explanation) -> str:
        if explanation.score is None or explanation.band is None:
            return "没有数据"
        return f"{explanation.score:.1f}分（{BANDS[explanation.band]}）"

    def change(self, title: str, change: MeasureChange, before: str | None, after: str | None) -> str:
        said = f"{title}：{signed(change.change)}分。"
        match change.course:
            case ChangeKind.CAME:
                said += f"现在有了数据：{after}。"
            case ChangeKind.WENT:
                said += f"现在没有数据了；原先是：{before}。"
            case ChangeKind.ADDED:
                said += f"模型现在计入这一项：{after or '没有数据'}。"
            case ChangeKind.DROPPED:
                said += f"模型不再计入这一项；原先：{before or '没有数据'}。"
            case ChangeKind.CHANGED if before != after:
                said += f"原先：{before}；现在：{after}。"
            case _:
                said += f"与之前相同：{after or '没有数据'}。"
        if round(change.by_share, 1):
            said += f"其中{signed(change.by_share)}分来自它在总分中所占比重的变化。"
        if round(change.by_model, 1):
            said += f"其中{signed(change.by_model)}分来自模型的更换。"
        events = [
            f"{what}{len(events)}个事件"
            for events, what in ((change.came_in, "新增"), (change.fell_out, "移出"))
            if events
        ]
        return said + (f"{'，'.join(events)}。" if events else "")

    def way(self, way: Way, score: float, silent_on: str | None, *, up: bool) -> str:
        if up:
            said = f"达到{number(way.border)}分即为“{BANDS[way.band]}”，比现在的{score:.1f}分高{way.points:.1f}分。"
        else:
            said = f"低于{number(way.border)}分即为“{BANDS[way.band]}”，比现在的{score:.1f}分低{-way.points:.1f}分。"
        if way.best is None:
            said += "没有单独一步能够做到。"
        elif not way.best.crosses:
            said += f"没有单独一步能够做到，最接近的一步会到{way.best.score:.1f}分。"
        return said + (f"若什么都不发生，将在{silent_on}如此。" if silent_on is not None else "")

    def caveat(self) -> str:
        return "以下各项均按现在单独做到推算，其余不变；仅为算术，并非承诺。"

    def act(self, doing: RepeatedAct) -> str:
        said = _ACTS[doing.act].format(n=number(doing.times), x=number(doing.value or 0), word=doing.word)
        if doing.act is Act.PURCHASE and doing.value is not None:
            said += "（金额不限）" if doing.whatever_its_amount else f"（每次{number(doing.value)}）"
        return said + "".join(f"（{name}为{each}）" for name, each in doing.fields.items() if name not in _MEANT)

    def step(self, title: str, step: Step, now: str | None, to: str | None, *, up: bool) -> str:
        if step.doing is None or step.score is None or step.band is None:
            if not input_of(step.measure).published:
                return f"{title}：目前还没有服务提供这项数据。"
            return f"{title}：没有什么可做之事能由此{'提高' if up else '降低'}评分。"
        said = f"{title}：{self.act(step.doing)}"
        if not step.doing.whatever_its_amount:
            said += f"，由{now if now is not None else '没有数据'}变为{to}"
        return f"{said}；届时评分为{step.score:.1f}分，{'' if step.crosses else '仍为'}“{BANDS[step.band]}”。"

    def turned(self, on: str, change: BandChange) -> str:
        before, after = (BANDS[each] if each is not None else "没有数据" for each in (change.from_band, change.band))
        return f"{on}：由“{before}”变为“{after}”，{_CAUSES[change.cause]}。"

    def amount(self, unit: str, text: str) -> str:
        return text + _UNITS.get(unit, "")


_CAUSES = {
    Cause.EVENT: "因发生的事件",
    Cause.SILENCE: "期间没有任何往来，仅因时间推移",
    Cause.MODEL: "因模型更换",
    Cause.CORRECTION: "因迟到的数据改变了过去",
}


def _model(model: HealthModel | None) -> str:
    if model is None:
        return "无模型"
    title = "默认模型" if model.id == DEFAULT.id else f"模型“{model.title or model.id}”"
    return f"{title}第{model.version}版"


_ACTS = {
    Act.PURCHASE: "购买{n}次",
    Act.RETURN: "退货{n}次",
    Act.EXCHANGE: "互动{n}次",
    Act.NEW_CONTACT: "与另外{n}位联系人互动",
    Act.CASE_OPENED: "新开{n}个工单",
    Act.CASE_RESOLVED: "解决{n}个工单",
    Act.CASE_RESOLVED_LATE: "{n}个工单超时解决",
    Act.CASE_REOPENED: "{n}个工单重新打开",
    Act.OPPORTUNITY_OPENED: "新开{n}个商机",
    Act.OPPORTUNITY_CLOSED: "{n}个商机赢单或丢单",
    Act.JUDGEMENT: "人工评价{x}分",
    Act.READING: "一次读数为{x}",
    Act.REFERRAL: "推荐{n}位新客户",
    Act.TIER: "会员等级变为{word}",
}
_MEANT = frozenset({"sla_met"})
"""What the act says already."""
