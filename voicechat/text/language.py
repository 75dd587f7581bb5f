"""Which language a text is in, as far as its letters tell: enough to choose a voice that can read it."""

import unicodedata
from collections import Counter

_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "HANGUL": "ko",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
}
"""First words of the letters' Unicode names, each with the language it most likely is."""
_ONE_SIGN_IS_A_WORD = {"zh", "ja"}
_LETTERS_A_WORD = 5

SHARES = {"ru": ("ru", "uk", "bg", "sr", "be", "kk", "mk"), "ar": ("ar", "fa", "ur"), "hi": ("hi", "mr", "ne")}
"""Languages that are written with the letters of another."""


def script_language(text: str) -> str:
    """The language that most of the text's letters belong to (`zh`, `ja`, `ko`, `ru`, …); "" for Latin letters,
    which belong to many, and for a text without letters."""
    found: Counter[str] = Counter()
    for letter in text:
        if letter.isalpha():
            found[_language_of(letter)] += 1
    if found["ja"] and found["zh"]:
        found["ja"] += found.pop("zh")  # Chinese has no kana
    if not found:
        return ""
    # A Chinese sign is a word, a Latin letter is a fifth of one.
    weights = {name: count * (_LETTERS_A_WORD if name in _ONE_SIGN_IS_A_WORD else 1) for name, count in found.items()}
    return max(weights, key=lambda name: weights[name])


def written_like(language: str, script: str) -> bool:
    """Whether `language` (`ru`, `uk`, `zh-sichuan`) is written with the letters that `script_language` calls so."""
    base = language.lower().partition("-")[0]
    return base in SHARES.get(script, (script,))


def _language_of(letter: str) -> str:
    if letter.isascii():
        return ""
    return _SCRIPTS.get(unicodedata.name(letter, "").partition(" ")[0], "")
