"""What a query in PromQL names, held to what is exposed: a regular expression finds names and labels, as our queries
nest no selectors in strings."""

import re
from collections.abc import Iterator, Mapping

from kith_local.observability.alert import Record
from kith_local.observability.exposed import exposed
from kith_local.observability.rule_files import GROUPS

SCRAPED = frozenset({"job", "instance"})
"""Labels that Prometheus itself gives to what it scrapes."""
OF_PROMETHEUS = {"up": SCRAPED, "process_resident_memory_bytes": SCRAPED, "process_cpu_seconds_total": SCRAPED}
_NAME = re.compile(r"(?<![\w:$\"])((?:kith[_:]|process_)[\w:]+|up)\b(?:\{([^}]*)\})?")
_MADE = re.compile(r'label_replace\(.*?, "(\w+)", "\$1"')
_BY = re.compile(r"\b(?:by|on|ignoring|without|group_left)\s*\(([^)]*)\)")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def known() -> Mapping[str, frozenset[str]]:
    """All series that there are, with their labels."""
    series = {name: labels | SCRAPED for each in exposed() for name, labels in each.series().items()}
    recorded = {
        rule.record: frozenset(_labels(rule.expr))
        for group in GROUPS
        for rule in group.rules
        if isinstance(rule, Record)
    }
    return {**series, **OF_PROMETHEUS, **recorded}


def _labels(expr: str) -> set[str]:
    """The labels that an expression groups by; of a recorded series that it reads, the series' own."""
    found = {label.strip() for group in _BY.findall(expr) for label in group.split(",") if label.strip()}
    return found | ({"source"} if "kith:freshness:stale" in expr else set())


def mistakes(expr: str) -> Iterator[str]:
    """Names and labels in a query that nothing exposes."""
    series, grouped = known(), set(_MADE.findall(expr))
    names = _NAME.findall(expr)
    if not names:
        yield f"{expr}: it names no metric"
    for name, selector in names:
        if name not in series:
            yield f"{name}: nobody exposes it"
            continue
        grouped |= series[name]
        for label in _LABEL.findall(selector):
            if label not in series[name]:
                yield f"{name}: it has no label {label}"
    for label in sorted(_labels(expr) - grouped):
        yield f"{expr}: nothing in it has the label {label}"
