"""The generated parts of docs/health.md: each between a comment that opens and one that closes it."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tests.backtest.models import DOCS

from analytics.health.model.inputs import INPUTS, Kind

PAGE = DOCS / "health.md"
Report = Mapping[str, Any]

_KINDS = {
    Kind.SINCE_LAST: "days since the last",
    Kind.SINCE_FIRST: "days since the first",
    Kind.SUM: "sum over the window, or fading",
    Kind.MEAN: "mean over the window, or fading",
    Kind.TREND: "window over the one before",
    Kind.GROWTH: "what is in force over what was a window before",
    Kind.STANDING: "how many stand open",
    Kind.LATEST: "the latest",
    Kind.DISTINCT: "how many different",
    Kind.AHEAD: "days until",
}


def parts(found: Mapping[str, Report]) -> dict[str, str]:
    models = found["models"]
    return {
        "inputs": inputs(),
        "backtest": comparison(models),
        "rules": rules(models),
        "baselines": alone(models, found["baselines"]),
        "instants": instants(models),
        "tenths": tenths(models),
    }


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
        ("input", "what it is", "how it is read", "unit", "window", "published today"),
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


def comparison(models: Mapping[str, Report]) -> str:
    reports = list(models.values())

    def row(title: str, figure: Callable[[Report], str]) -> tuple[str, ...]:
        return title, *(figure(each) for each in reports)

    return table(
        ("", *models),
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


def rules(models: Mapping[str, Report]) -> str:
    """Of baselines what is warned of at their own threshold does not depend on the model: it is shown once."""
    rows = []
    for title, report in models.items():
        compared = report["comparison"]
        of_baselines = {each["name"]: each["rules"] for each in compared["baselines"]}
        judged = [*compared["rules"][:2], *(of_baselines[name][1] for name in ("recency", "frequency"))]
        rows += [(title, *_warned(each)) for each in judged]
    rows += [("", *_warned(of_baselines[name][0])) for name in ("recency", "frequency")]
    return table(("model", "rule", "warned of", "precision", "recall"), rows)


def _warned(figures: Report) -> tuple[str, ...]:
    return figures["rule"], f"{figures['warned']:,}", estimate(figures["precision"]), estimate(figures["recall"])


ALONE = {
    "recency": "days since the last order",
    "orders": "number of orders",
    "spent": "what they came to",
    "p_alive": "BG/NBD: chance to be alive",
    "expected": "BG/NBD: orders to expect in 90 days",
    "logistic": "logistic regression on the first three",
}


def alone(models: Mapping[str, Report], baselines: Mapping[str, Report]) -> str:
    tuned = "Retail, tuned"
    rows = [
        (
            name,
            estimate(baselines[id]["roc_area"], percent=False),
            estimate(baselines[id]["models"][tuned], percent=False),
            f"{baselines[id]['brier']:.3f}",
        )
        for id, name in ALONE.items()
    ]
    for title, report in models.items():
        compared = report["comparison"]
        area = estimate(compared["roc_area"], percent=False)
        rows.append((f"**{title}**", area, "", f"{compared['brier']['model']:.3f}"))
    rows.append(("the earlier rate, for everybody", "0.500", "", f"{models[tuned]['comparison']['brier']['base']:.3f}"))
    return table(("by", "area, later instants", f"{tuned}: its area less that", "Brier score"), rows)


def instants(models: Mapping[str, Report]) -> str:
    """How many churned hangs on the season, and not on any model."""
    first = next(iter(models.values()))
    return table(
        ("instant", "active then", "churned"),
        ((each["at"][:10], f"{each['rows']:,}", f"{each['base_rate']:.1%}") for each in first["by_instant"]),
    )


def tenths(models: Mapping[str, Report]) -> str:
    report = models["Retail, tuned"]
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


def estimate(figures: Mapping[str, float | None], *, percent: bool = True) -> str:
    value, error = figures["value"], figures["standard_error"]
    if value is None:
        return "-"
    if percent:
        return f"{value:.1%} ± {error:.1%}" if error is not None else f"{value:.1%}"
    return f"{value:.3f} ± {error:.3f}" if error is not None else f"{value:.3f}"


def lead(figures: Mapping[str, float | None]) -> str:
    if figures["median"] is None:
        return "-"
    return f"{figures['median']:.0f} days ({figures['lower_quartile']:.0f} to {figures['upper_quartile']:.0f})"


def days(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f} days"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
