"""What can be done with a tenant's settings."""

import zoneinfo
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from contacts.domain.settings import ActivityRule, SegmentActivity, Settings
from kith.events.catalogue import QUALIFYING
from kith.inputs import UNSENT, Amendment, Code
from kith.resource import Command

MAX_WINDOW_DAYS = 3650
MAX_SEGMENTS = 20

# ISO 4217, list one: what is legal tender somewhere, without funds, metals and test codes.
_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY "
    "COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR "
    "ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK "
    "MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF "
    "SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU "
    "UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_CODES.split())


@cache
def time_zones() -> frozenset[str]:
    """Those of the machine's IANA database that mean the same on every machine."""
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


def _zone(name: str) -> str:
    return name if name in time_zones() else _refuse(name, "an IANA time zone", "Europe/Vienna", time_zones())


def _currency(code: str) -> str:
    return code if code in CURRENCIES else _refuse(code, "a currency of ISO 4217", "EUR", CURRENCIES)


def _refuse(given: str, what: str, example: str, known: Iterable[str]) -> Any:
    folded = {each.casefold(): each for each in known}
    # What was typed is often the end of a name: `Vienna`.
    near = [each for low, each in folded.items() if low.endswith(f"/{given.casefold()}")]
    near += [folded[each] for each in get_close_matches(given.casefold(), folded, n=3)]
    hint = ", ".join(dict.fromkeys(near)) or example
    raise PydanticCustomError("unknown", "It is not {what}. For instance: {hint}.", {"what": what, "hint": hint})


def _qualifying(event_type: str) -> str:
    if event_type not in QUALIFYING:
        allowed = ", ".join(sorted(QUALIFYING))
        raise PydanticCustomError("unknown", "It is one of {allowed}.", {"allowed": allowed})
    return event_type


EventType = Annotated[str, AfterValidator(_qualifying)]


class ActivityRuleInput(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    event_types: Annotated[list[EventType], Field(min_length=1), AfterValidator(lambda given: sorted(set(given)))]
    window_days: Annotated[int, Field(ge=1, le=MAX_WINDOW_DAYS)]


class SegmentActivityInput(ActivityRuleInput):
    segment: Code


class AmendSettings(Amendment):
    time_zone: Annotated[str, AfterValidator(_zone)] = UNSENT
    currency: Annotated[str, AfterValidator(_currency)] | None = UNSENT
    activity: Annotated[ActivityRuleInput, AfterValidator(lambda sent: ActivityRule(**dict(sent)))] = UNSENT
    segment_activity: Annotated[
        list[Annotated[SegmentActivityInput, AfterValidator(lambda sent: SegmentActivity(**dict(sent)))]],
        Field(max_length=MAX_SEGMENTS),
    ] = UNSENT


COMMANDS = (Command("amend", AmendSettings, Settings.amend),)
