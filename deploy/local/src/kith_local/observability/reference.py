"""The page docs/prometheus.md: every metric that Kith's processes expose."""

from collections.abc import Sequence

from kith_local.observability.exposed import Exposed

_HEAD = """\
# Prometheus metrics

What the processes of Kith expose on `/metrics` of their metrics port. The business metrics, which the API answers, are
[another page](metrics.md). How these are scraped, shown and alerted on: [observability](observability.md).

`APIs` are the API processes of all four services, `workers` their workers; a worker of contacts has no consumer. Python
processes have the metrics of their client besides, `process_*` and `python_*`. Counters begin at zero with each
process. A histogram has the series `_bucket` (with the label `le`), `_sum` and `_count`.

This page is made from the code (`make contracts`).
"""


def page(metrics: Sequence[Exposed]) -> str:
    groups: dict[str, list[Exposed]] = {}
    for each in metrics:
        groups.setdefault(each.by, []).append(each)
    return "\n".join([_HEAD, *(_section(by, groups[by]) for by in sorted(groups))])


def _section(by: str, metrics: Sequence[Exposed]) -> str:
    rows = "\n".join(_row(each) for each in metrics)
    return f"## {by[:1].upper()}{by[1:]}\n\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n{rows}\n"


def _row(each: Exposed) -> str:
    labels = ", ".join(f"`{label}`" for label in each.labels)
    return f"| `{each.name}` | {each.kind} | {each.unit} | {labels} | {each.meaning} |"
