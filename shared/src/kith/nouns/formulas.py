"""Texts in cells of CSV: a spreadsheet takes some for formulas, and what it shows may come from anybody.

A text that a spreadsheet could take for one has an apostrophe put before it, and loses it when it is read back.
"""

import unicodedata

_BEGIN = frozenset("=+-@|%\uff1d\uff0b\uff0d\uff20")
_QUOTE = "'"


def neutralised(text: str) -> str:
    return _QUOTE + text if _is_formula(text) else text


def restored(text: str) -> str:
    return text[1:] if text[:1] == _QUOTE and _is_formula(text[1:]) else text


def _is_formula(text: str) -> bool:
    """Whether it begins as formulas do, behind what spreadsheets do not look at: blanks, controls, and apostrophes that
    were put before it."""
    for each in text:
        if each in _BEGIN:
            return True
        if each.isalnum():
            return False
        if each != _QUOTE and unicodedata.category(each)[0] not in "ZC":
            return False
    return False
