"""RavenStack: a software company's accounts, 2023 to 2024, what they pay for and what they use. Organisations,
subscriptions and usages.

Accounts, subscriptions, churn events and uses were made up independently of each other, so most uses are dated before
the subscription, and many before the account: they are sent as told, as a use is a fact whenever it comes.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from kith_local.replay.cells import BadRow, amount, instant, some_text, whole
from kith_local.replay.commands import CUSTOMERS, SUBSCRIPTIONS, USAGES, DataSet, Mapped, Reference
from kith_local.replay.files import Row, Source, Tables


class Decision(StrEnum):
    ACCOUNT = "An account is an organisation from its signup_date on, 00:00 UTC; tier = plan_tier"
    TRIAL = "... is_trial: it is a prospect, as it has not bought yet"
    SEATS = "... seats: a custom field of the tenant"
    CHURN = "... churn_flag: not used, it has no date"
    USE = "A use is that of its subscription's account, at usage_date 00:00 UTC; product = the subscription's plan"
    SAME_ID = "... whose usage_id came before stands for itself: external id <usage_id>/2"
    NO_USE = "... of count 0: not sent, nothing was used"
    BEFORE_SIGNUP = "... before its account signed up: it is sent as told"
    FAILURES = "... of more errors than uses: it is sent as told, an error may come several times in a use"
    BETA = "... is_beta_feature: not used, there is no field for it"
    SUBSCRIPTION = "A subscription is in force from start_date on, 00:00 UTC; plan = plan_tier, in USD"
    YEARLY = "... billing_frequency annual: its price is of a year"
    ON_TRIAL = "... is_trial: a trial that ends with it"
    ENDED = "... is cancelled at end_date, 00:00 UTC"
    REASON = "... for the reason_code of a churn event of its account on that day"
    MOVED = "... upgrade_flag, downgrade_flag: not used, they have no date"


def map_saas(tables: Tables) -> Mapped:
    mapped = Mapped()
    signed_up: dict[str, datetime] = {}
    for row in tables[ACCOUNTS.name]:
        with mapped.mapping(row):
            signed_up[row["account_id"]] = _account(row, mapped)
    reasons = {(row["account_id"], row["churn_date"]): row["reason_code"] for row in tables[CHURNED.name]}
    subscriptions = {row["subscription_id"]: row for row in tables[SUBSCRIBED.name]}
    for row in subscriptions.values():
        with mapped.mapping(row):
            _subscription(row, signed_up, reasons, mapped)
    seen = Counter[str]()
    for row in tables[USES.name]:
        with mapped.mapping(row):
            _use(row, subscriptions, signed_up, seen, mapped)
    return mapped


def _account(row: Row, mapped: Mapped) -> datetime:
    at = _date(row, "signup_date")
    if CUSTOMERS not in mapped.commands:
        mapped.define(row, "customer", "seats", "number", "Seats", at)
    is_trial = _flag(row, "is_trial")
    mapped.add(
        CUSTOMERS,
        row,
        some_text(row, "account_id"),
        at,
        kind="organisation",
        name=some_text(row, "account_name"),
        industry=row["industry"] or None,
        country=row["country"] or None,
        source=row["referral_source"] or None,
        tier=row["plan_tier"] or None,
        stage="prospect" if is_trial else "customer",
        custom={"seats": whole(row, "seats")},
    )
    mapped.decide(Decision.ACCOUNT)
    mapped.decide(Decision.TRIAL, is_trial)
    mapped.decide(Decision.SEATS)
    mapped.decide(Decision.CHURN, _flag(row, "churn_flag"))
    return at


def _subscription(
    row: Row, signed_up: Mapping[str, datetime], reasons: Mapping[tuple[str, str], str], mapped: Mapped
) -> None:
    id, at, account = some_text(row, "subscription_id"), _date(row, "start_date"), row["account_id"]
    ends = _date(row, "end_date") if row["end_date"] else None
    if account not in signed_up:
        raise BadRow("account_id", "is none of the accounts", account)
    if not (seats := whole(row, "seats")):
        raise BadRow("seats", "is no number of seats", row["seats"])
    if ends is not None and ends < at:
        raise BadRow("end_date", "is before start_date", row["end_date"])
    is_trial, is_yearly = _flag(row, "is_trial"), row["billing_frequency"] == "annual"
    mapped.add(
        SUBSCRIPTIONS,
        row,
        id,
        at,
        customer_id=Reference(CUSTOMERS, account),
        plan=some_text(row, "plan_tier"),
        seats=seats,
        unit_price=amount(row, "mrr_amount") * (12 if is_yearly else 1) / seats,
        currency="USD",
        billing_period="yearly" if is_yearly else "monthly",
        trial=is_trial,
        auto_renew=_flag(row, "auto_renew_flag"),
    )
    if ends is not None:
        reason = reasons.get((account, row["end_date"]))
        mapped.add(SUBSCRIPTIONS, row, id, ends, "cancel", reason=reason)
        mapped.decide(Decision.ENDED)
        mapped.decide(Decision.REASON, reason is not None)
    mapped.decide(Decision.SUBSCRIPTION)
    mapped.decide(Decision.YEARLY, is_yearly)
    mapped.decide(Decision.ON_TRIAL, is_trial)
    mapped.decide(Decision.MOVED, _flag(row, "upgrade_flag") or _flag(row, "downgrade_flag"))


def _use(
    row: Row,
    subscriptions: Mapping[str, Row],
    signed_up: Mapping[str, datetime],
    seen: Counter[str],
    mapped: Mapped,
) -> None:
    id, at = some_text(row, "usage_id"), _date(row, "usage_date")
    if (subscription := subscriptions.get(row["subscription_id"])) is None:
        raise BadRow("subscription_id", "is none of the subscriptions", row["subscription_id"])
    if (account := subscription["account_id"]) not in signed_up:
        raise BadRow("subscription_id", "is of none of the accounts", row["subscription_id"])
    uses, failures = whole(row, "usage_count"), whole(row, "error_count")
    if not uses:
        mapped.decide(Decision.NO_USE)
        return
    seen[id] += 1
    mapped.add(
        USAGES,
        row,
        id if seen[id] == 1 else f"{id}/{seen[id]}",
        at,
        customer_id=Reference(CUSTOMERS, account),
        product=subscription["plan_tier"] or None,
        feature=some_text(row, "feature_name"),
        uses=uses,
        duration_seconds=whole(row, "usage_duration_secs"),
        failures=failures,
    )
    mapped.decide(Decision.USE)
    mapped.decide(Decision.SAME_ID, seen[id] > 1)
    mapped.decide(Decision.BEFORE_SIGNUP, at < signed_up[account])
    mapped.decide(Decision.FAILURES, failures > uses)
    mapped.decide(Decision.BETA, _flag(row, "is_beta_feature"))


def _date(row: Row, column: str) -> datetime:
    return instant(row, column, "%Y-%m-%d")


def _flag(row: Row, column: str) -> bool:
    if (flag := row[column].lower()) not in ("true", "false"):
        raise BadRow(column, "is neither true nor false", row[column])
    return flag == "true"


ACCOUNTS = Source(
    "saas_accounts.csv",
    (
        "account_id",
        "account_name",
        "industry",
        "country",
        "signup_date",
        "referral_source",
        "plan_tier",
        "seats",
        "is_trial",
        "churn_flag",
    ),
)
SUBSCRIBED = Source(
    "saas_subscriptions.csv",
    (
        "subscription_id",
        "account_id",
        "start_date",
        "end_date",
        "plan_tier",
        "seats",
        "mrr_amount",
        "is_trial",
        "upgrade_flag",
        "downgrade_flag",
        "billing_frequency",
        "auto_renew_flag",
    ),
)
CHURNED = Source("saas_churn_events.csv", ("account_id", "churn_date", "reason_code"))
USES = Source(
    "saas_feature_usage.csv",
    (
        "usage_id",
        "subscription_id",
        "usage_date",
        "feature_name",
        "usage_count",
        "usage_duration_secs",
        "error_count",
        "is_beta_feature",
    ),
)
SAAS = DataSet("saas", (ACCOUNTS, SUBSCRIBED, CHURNED, USES), Decision, map_saas)
