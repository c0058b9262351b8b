"""`python -m analytics metrics`: the catalogue in words, for a terminal, as JSON, and as docs/metrics.md."""

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from textwrap import fill

from analytics.metrics.catalogue import AREAS, metric
from analytics.metrics.describe import Description, describe
from kith.errors import NotFound
from kith.runtime.service import Service

LABEL = 12
NARROW, WIDE = 60, 120


def run(service: Service, words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} metrics", description="What each metric means, and how it is counted"
    )
    parser.add_argument("id", nargs="*", help="which metrics; all, if none is named")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the document of all metrics there")
    given = parser.parse_args(words)
    if given.document:
        given.document.write_text(document(descriptions()), encoding="utf-8")
        return
    try:
        wanted = descriptions(given.id)
    except NotFound as error:
        raise SystemExit(error.detail) from error
    width = min(max(shutil.get_terminal_size().columns, NARROW), WIDE)
    printed = json.dumps([asdict(each) for each in wanted], indent=2) if given.json else "\n".join(text(wanted, width))
    print(printed)  # noqa: T201 - that is what the command is for


def descriptions(ids: Sequence[str] = ()) -> list[Description]:
    """Returns the descriptions of these metrics, or of all, area by area. Raises NotFound that lists the ids there
    are."""
    wanted = {metric(id).id for id in ids}
    return [
        describe(each, area) for area, metrics in AREAS.items() for each in metrics if each.id in wanted or not wanted
    ]


def text(wanted: Sequence[Description], width: int) -> Iterator[str]:
    for area, metrics in groupby(wanted, lambda each: each.area):
        yield from (area, "=" * len(area), "")
        for each in metrics:
            yield f"{each.id}  {each.title}"
            yield fill(each.words, width, initial_indent="  ", subsequent_indent="  ")
            for label, said in _labelled(each):
                yield fill(said, width, initial_indent=f"  {label:{LABEL}}", subsequent_indent=" " * (LABEL + 2))
            yield ""


def _labelled(each: Description) -> Iterator[tuple[str, str]]:
    yield "formula", each.formula
    for name, words in each.components.items():
        yield f"  {name}", words
    yield "figure", f"{each.unit}, read {_when(each)}; version {each.version}"
    for index, (whose, names) in enumerate(each.dimensions.items()):
        yield "" if index else "sliced by", f"{', '.join(names)} ({whose})"
    yield "example", each.example


def _when(each: Description) -> str:
    return "at the end of the interval" if each.at_instant else "over the interval"


# The document

HEAD = """\
# Metrics

<!-- Written by `make contracts` from analytics.metrics.catalogue: change that, not this. -->

What each figure means, and how it is counted. The same is printed by `python -m analytics metrics [id …]`, and listed
by `GET /v1/metrics` and by `metrics` in GraphQL. How to query, by example: [guide](guide/metrics.md).

## How to read a figure

- **Intervals** are half-open: `from <= t < to`. What happens at `to` belongs to the next one, so periods that follow
  one another count nothing twice. Both instants have their offset from UTC. A metric that is read *at the end* is
  read at the one instant `to`, and looks back from there.
- **A ratio with an empty denominator is null**, never 0, and so is the median of nothing. A sum of nothing is 0. Values
  are rounded to four decimals. `numerator`, `denominator` and all components come with the value: the numerator is what
  stands before the first `/` of the formula, before it is scaled.
- **Units**: `percent` is 0 to 100, or more; `money` is in the currency of the amounts; `seconds` and `days` are by the
  clock, a day being 86,400 seconds.
- **Active** is a customer with a qualifying event at `t`, `T - window <= t < T`. Which events qualify, and the window,
  is the tenant's to define, for all customers or for some segments; the default is an order in 90 days. `activity=`
  names a version of the definition, and the answer says which was used (`activity_version`). A *contractual* customer
  is active while a subscription is in force, on trial or paused too, and by nothing else as from its first one.
- **Customers are distinct after merges**: the events of a merged customer count for the one that remains.
- **Slices.** *The customer's* dimensions have plain names, `country`, `owner`: fields of its record as it stood at the
  end of the whole interval, in every period alike; what a record said first holds for the time before it was made, too.
  A customer with two tags counts under each. `custom.<code>` is a custom field of the customer: a choice, several
  choices, a boolean, a text or a link that shows no people. *Its own* dimensions are fields of the event, or of its
  aggregate as it stood then: the owner of the opportunity when it was won. A field that the customer has as well is
  named with its record, `order_country`, `opportunity_owner`, so a name means the same in every metric. Up to three
  dimensions group.
- **Trees.** Organisations are parts of others. `ultimate_parent` is the customer at the top of the customer's tree,
  which it may be itself; `filter=within:<id>` keeps a customer and all below it. Both are of the tree as it was at the
  end of the interval.
- **Filters**: `filter=country:France,Spain` keeps these values, `tag:!unidentified` excludes one, `segment:` keeps
  customers without a segment; up to 20, which all hold. A value with a comma, a double quote, blanks at its ends or a
  leading `!` is written in double quotes, a double quote in it twice: `segment:"Food, Drink & Tobacco",Retail`. An
  ambiguous filter is refused. In the body of `POST /v1/metrics:query` a filter may also be an object, null standing for
  no value: `{"dimension": "segment", "values": ["Food, Drink & Tobacco", null], "exclude": false}`.
- **Periods.** A grain (`day`, `week` from Monday, `month`, `quarter`, `year`) cuts the interval into up to 400 periods,
  the first and the last cut to the interval. Each period is counted by itself: distinct customers and medians of
  periods do not add up to the whole.
  A day that a zone skipped is none of its periods: Samoa had no 30 December 2011.
- **What has not come yet is null**, never 0. `complete_up_to` says up to when an interval, or a period of it, has come:
  what happens in one that goes on is counted so far; what is read at its end, such as who is active then, is null until
  that comes; of one that has not begun all is null, and `complete_up_to` too. Of what was known at an instant, that
  instant is now. Counts of a time before the tenant's first event are 0.
- **Time zone**: the one of the tenant's settings, or `zone=`. It decides when the days of a grain and of the calendar
  begin, and calendar periods are computed in it: the 12 months before the end of `ror` and
  `ror.reach`, the year of `clv.simple`, the days of purchases of `clv.predicted`. `from`, `to` and all other instants
  are instants, whatever the zone.
- **Currencies.** Amounts come in the currency that is asked, `currency=USD`, or else in the base currency of the
  tenant's settings, if there are rates to it: each at the rate of its event's day, so one that is missing is an error
  that names it. Else, or grouped or filtered by `currency`, they come each in its own, and amounts of several have no
  sum. A figure of amounts is in `by_currency`, one for each, as if there were no others: the answer of
  `filter=currency:EUR`. `value`, and every other amount, is null where there are several, and `currency` names the one
  where there is one; so it is in each period and group. Models of customers' value are never converted.
  Customers have no currency: `arpu` in euros is the revenue in euros over all active customers, whatever they paid in.
- **Members** are what a figure counts: customers, orders or cases, each with the event that made it count and what it
  adds, amounts in the currency they were agreed in. They add up to the requested part: numerator, denominator, or a
  component. A median has none.
- **Freshness** comes with each figure: per source the instant up to which all its records are counted.
- **Known at.** `knownAt=` answers as it was known at an instant: only records up to then count, whenever they happened.
- **Versions.** A metric whose meaning changes has a higher version; `definition_version` says which was computed.
"""


def document(metrics: Sequence[Description]) -> str:
    areas = {area: list(mine) for area, mine in groupby(metrics, lambda each: each.area)}
    contents = [
        _wrapped(f"- [{area}](#{_anchor(area)}): {', '.join(f'[{each.id}](#{_anchor(each.title)})' for each in mine)}")
        for area, mine in areas.items()
    ]
    parts = [HEAD, "## Contents\n", *contents, ""]
    for area, mine in areas.items():
        parts += [f"## {area}\n", *(line for each in mine for line in _section(each))]
    return "\n".join(parts).rstrip() + "\n"


def _section(each: Description) -> Iterator[str]:
    yield f"### {each.title}\n"
    yield f"`{each.id}`: {each.unit}, read {_when(each)}, version {each.version}.\n"
    yield _wrapped(each.words) + "\n"
    yield f"    {each.formula}\n"
    yield from ("| component | |", "|---|---|")
    yield from (f"| `{name}` | {words} |" for name, words in each.components.items())
    slices = "; ".join(f"{whose} {', '.join(names)}" for whose, names in each.dimensions.items())
    yield f"\n{_wrapped(f'Sliced by {slices}.')}\n"
    yield _wrapped(f"*Example.* {each.example}") + "\n"


def _wrapped(paragraph: str) -> str:
    indent = "  " if paragraph.startswith("- ") else ""
    return fill(paragraph, WIDE, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _anchor(heading: str) -> str:
    """Returns the anchor that GitHub makes of a heading."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")
