"""The tokens of texts and telephone numbers: what is kept of a record to find it by, and what is looked up.

A token is a word, without accents and in small letters, and is found by its beginning. Chinese, Japanese and Korean
have no spaces between words: there each character is a token, and each pair of neighbours. Other tokens begin with a
sign that no word has: `=` a whole text or address of e-mail, `+` a telephone number in E.164, `#` its digits from the
last to the first: so the end of a number is the beginning of a token.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import pairwise

MOST_TOKENS = 100
"""Of one text: what is behind them is not found."""
MOST_OF_WHOLE, MOST_OF_WORD = 200, 60
"""Characters."""
LEAST_DIGITS = 4
"""By as many a telephone number is found."""
WHOLE = "="

_PLAIN = re.compile("[a-z0-9]+")
_JOINED = dict.fromkeys(map(ord, "'`\u00b4\u02bc\u2019"))
"""Apostrophes: a name is found with and without."""
_NUMBER = re.compile(r"\+?[\d\s()./-]+")
_LEFT_OUT = (
    *range(0x300, 0x370),  # accents
    *(0xAD, 0x61C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)),
)
_TAKEN_APART = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
"""Letters that Unicode does not take apart."""
_FOLDED: Mapping[int, str | None] = {
    **dict.fromkeys(_LEFT_OUT),
    **{ord(letter): others for letter, others in _TAKEN_APART.items()},
}
_CJK = (
    *((0x1100, 0x11FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3040, 0x318F), (0x31F0, 0x31FF), (0x3400, 0x4DBF)),
    *((0x4E00, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)
_FIRST_OF_CJK = chr(_CJK[0][0])


def folded(text: str) -> str:
    """Returns a text in small letters, without accents, and of letters that look alike the same."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", apart.translate(_FOLDED))


def words_of(text: str) -> list[str]:
    """Returns the words of a folded text, in order; neighbouring characters of Chinese, Japanese or Korean as one."""
    if text.isascii():
        return _PLAIN.findall(text)
    words: list[str] = []
    before = ""
    for each in text:
        kind = _kind(each)
        if kind == before != "":
            words[-1] += each
        elif kind:
            words.append(each)
        before = kind
    return words


def _kind(character: str) -> str:
    """Returns whether a character is of a word, of Chinese, Japanese or Korean, or of neither."""
    if unicodedata.category(character)[0] not in "LNM":
        return ""
    return "cjk" if is_cjk(character) else "word"


def is_cjk(text: str) -> bool:
    """Whether a word is Chinese, Japanese or Korean."""
    return text[0] >= _FIRST_OF_CJK and any(first <= ord(text[0]) <= last for first, last in _CJK)


def query_words(text: str) -> list[str]:
    """Returns the words of a folded text that is searched for."""
    return words_of(text.translate(_JOINED))


def whole_of(text: str) -> str:
    """Returns the token of a whole folded text, whatever stands between its words."""
    words = query_words(text)
    return (WHOLE + (" ".join(words) or text.strip()))[:MOST_OF_WHOLE]


def tokens_of(text: str) -> list[str]:
    """Returns the tokens of a text: of a name, an address of e-mail, a title."""
    text = folded(text)
    joined = text.translate(_JOINED)
    words = words_of(joined) + ([] if joined == text else words_of(text))
    tokens = (token for word in words for token in (grams(word) if is_cjk(word) else [word[:MOST_OF_WORD]]))
    addresses = (whole_of(part) for part in text.split() if is_address(part)) if "@" in text else ()
    return [*dict.fromkeys((whole_of(text), *addresses, *tokens))][:MOST_TOKENS]


def is_address(part: str) -> bool:
    """Whether a part of a text is an address of e-mail, or the beginning of one."""
    return part.find("@") > 0


def grams(word: str) -> Iterator[str]:
    """Yields the pairs of neighbours in a word of Chinese, Japanese or Korean, and each character."""
    yield from (one + other for one, other in pairwise(word))
    yield from word


def tokens_of_number(number: str) -> list[str]:
    """Returns the tokens of a telephone number, in E.164 or as it was written."""
    digits = _digits(number)
    return [f"+{digits}"[:MOST_OF_WORD], f"#{digits[::-1]}"[:MOST_OF_WORD]] if digits else []


def number_token(text: str) -> str | None:
    """Returns with what the token of a telephone number begins that is looked for so, as it is dialled at home or from
    abroad; None if it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    digits = _digits(text)
    is_from_abroad = text.startswith("+") or digits.startswith("00")
    known = digits.lstrip("0")  # without what is dialled before it
    if len(known) < LEAST_DIGITS:
        return None
    return (f"+{known}" if is_from_abroad else f"#{known[::-1]}")[:MOST_OF_WORD]


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(each)) for each in text if each.isdigit())
