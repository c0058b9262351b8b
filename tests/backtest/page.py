"""The generated parts of docs/health.md: each between a comment that opens and one that closes it."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tests.backtest.models import DOCS

from analytics.domain.health.inputs import INPUTS, Kind

PAGE = DOCS / "health.md"
Report = Mapping[str, Any]

_KINDS = {
    Kind.SINCE_LAST: "days since the last",
    Kind.SINCE_FIRST: "days since the first",
    Kind.SUM: "sum over the window, or fading",
    Kind.MEAN: "mean over the window, or fading",
    Kind.TREND: "window over the one before",
    Kind.STANDING: "how many stand open",
    Kind.LATEST: "the latest",
    Kind.DISTINCT: "how many different",
    Kind.AHEAD: "days until",
}


def parts(found: Mapping[str, Report]) -> dict[str, str]:
    return {"inputs": inputs(), "backtest": comparison(found), "rules": rules(found), "tenths": tenths(found)}


def with_parts(text: str, found: Mapping[str, Report]) -> str:
    for name, part in parts(found).items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, times = re.subn(pattern, partial(_between, part), text, flags=re.DOTALL)
        assert times == 1, f"{PAGE.name} has {name} {times} times"
    return text


def _between(part: str, match: re.Match[str]) -> str:
    return f"{match[1]}\n{part}\n\n{match[2]}"


def write(found: Mapping[str, Report]) -> None:
    PAGE.write_text(with_parts(PAGE.read_text(), found))


def inputs() -> str:
    return table(
        ("input", "what it is", "how it is read", "unit", "window", "told of today"),
        (
            (
                f"`{name}`",
                each.title,
                _KINDS[each.kind],
                each.unit,
                f"{each.window_days:g} days" if each.window_days else "",
                "yes" if each.published else "not yet",
            )
            for name, each in INPUTS.items()
        ),
    )


def comparison(found: Mapping[str, Report]) -> str:
    reports = list(found.values())

    def row(title: str, figure: Callable[[Report], str]) -> tuple[str, ...]:
        return title, *(figure(each) for each in reports)

    return table(
        ("", *found),
        (
            row("observed: customers times instants", lambda r: f"{r['rows']:,}"),
            row("of how many customers", lambda r: f"{r['customers']:,}"),
            row("churned of these rows", lambda r: estimate(r["base_rate"])),
            row("coverage: share of the weight that is known", lambda r: f"{r['coverage']:.0%}"),
            row("**at risk**: warned of", lambda r: f"{r['at_risk']['warned']:,}"),
            row("precision", lambda r: estimate(r["at_risk"]["precision"])),
            row("recall", lambda r: estimate(r["at_risk"]["recall"])),
            row("area under the ROC curve", lambda r: estimate(r["roc_area"], percent=False)),
            row("lost: spans of activity that ended", lambda r: f"{r['lead']['ended']:,}"),
            row("... without a warning", lambda r: estimate(r["lead"]["without_warning"])),
            row("... lead time, median (quartiles)", lambda r: lead(r["lead"])),
            row("... the warning came after the last order by", lambda r: days(r["lead"]["median_after_last_event"])),
        ),
    )


def rules(found: Mapping[str, Report]) -> str:
    rows = []
    for title, report in found.items():
        compared = report["comparison"]
        rows += [
            (title, each["rule"], f"{each['warned']:,}", estimate(each["precision"]), estimate(each["recall"]))
            for each in compared["rules"]
        ]
    areas = table(
        ("", "area, later instants", "of recency alone", "difference", "Brier skill", "of recency alone"),
        (
            (
                title,
                estimate(report["comparison"]["roc_area"], percent=False),
                estimate(report["comparison"]["roc_area_of_recency"], percent=False),
                estimate(report["comparison"]["difference"], percent=False),
                f"{report['comparison']['brier']['skill']:.3f}",
                f"{1 - report['comparison']['brier']['recency'] / report['comparison']['brier']['base']:.3f}",
            )
            for title, report in found.items()
        ),
    )
    return table(("model", "rule", "warned of", "precision", "recall"), rows) + "\n\n" + areas


def tenths(found: Mapping[str, Report]) -> str:
    report = found["Retail, tuned"]
    return table(
        ("scores", "mean", "rows", "customers", "churned", "95% interval"),
        (
            (
                f"{each['lowest']:.1f} to {each['highest']:.1f}",
                f"{each['mean_score']:.1f}",
                f"{each['rows']:,}",
                f"{each['customers']:,}",
                f"{each['rate']:.1%}",
                f"{each['low']:.1%} to {each['high']:.1%}",
            )
            for each in report["calibration"]
        ),
    )


def estimate(told: Mapping[str, float | None], *, percent: bool = True) -> str:
    value, error = told["value"], told["standard_error"]
    if value is None:
        return "-"
    if percent:
        return f"{value:.1%} ± {error:.1%}" if error is not None else f"{value:.1%}"
    return f"{value:.3f} ± {error:.3f}" if error is not None else f"{value:.3f}"


def lead(told: Mapping[str, float | None]) -> str:
    if told["median"] is None:
        return "-"
    return f"{told['median']:.0f} days ({told['lower_quartile']:.0f} to {told['upper_quartile']:.0f})"


def days(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f} days"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
