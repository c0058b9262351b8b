"""`python -m analytics rebuild`: for an operator with the login that migrates the database."""

import argparse
import gc
import time
from collections.abc import Sequence

from analytics.projections.rebuild import Difference, Migrated, Rebuilt, SwapTimedOut, WithdrawnMeanwhile, rebuild
from analytics.projections.shadow import KEPT, Print, RebuildRuns
from kith.db import migrations
from kith.runtime.progress import Shown
from kith.runtime.service import Service
from kith.runtime.settings import Settings


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    """Runs the rebuild. Exits with code 1 if `--compare` finds a difference, or nothing could be swapped."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} rebuild",
        description="Makes the read models anew from the ledger, compares them with the live ones and swaps them in",
    )
    parser.add_argument("--compare", "--dry-run", action="store_true", help="only compare: nothing is swapped")
    parser.add_argument("--keep", action="store_true", help=f"leave the old tables in the schema {KEPT}")
    given = parser.parse_args(words)
    import uvloop  # noqa: PLC0415 - not there on every platform

    if reason := uvloop.run(migrations.behind(settings.owner_database, service.package)):
        raise SystemExit(f"{service.name}: {reason}")
    # Objects are freed as soon as they are written, and none are in reference cycles: there is no garbage to collect.
    gc.disable()
    shown, started = Shown(), time.monotonic()
    try:
        done = uvloop.run(rebuild(settings.owner_database, compare_only=given.compare, keep=given.keep, progress=shown))
    except (RebuildRuns, Migrated, WithdrawnMeanwhile, SwapTimedOut) as error:
        raise SystemExit(f"{service.name}: {error}") from error
    finally:
        gc.enable()
    shown.end()
    for line in report(done, time.monotonic() - started):
        print(line)  # noqa: T201 - that is what the command is for
    if given.compare and done.differences:
        raise SystemExit(1)


def report(done: Rebuilt, seconds: float) -> list[str]:
    lines = [f"{done.events:,} events came to {done.rows:,} rows in {seconds:.1f} s."]
    if done.differences:
        lines.append("The live tables were not what the ledger says:")
        lines += [f"  {_words(each)}" for each in done.differences]
    else:
        lines.append("The live tables were what the ledger says.")
    if done.swapped:
        lines.append(f"Swapped, with {done.caught_up:,} events that were folded meanwhile.")
    else:
        lines.append("Nothing was swapped.")
    return lines


def _words(each: Difference) -> str:
    part = " ".join(word for word in each.part if word)
    return f"{part}: {_rows(each.live)} live, {_rows(each.made)} made anew" + (
        ", with other values" if each.live and each.made and each.live.rows == each.made.rows else ""
    )


def _rows(found: Print | None) -> str:
    return f"{found.rows if found else 0:,} rows"
