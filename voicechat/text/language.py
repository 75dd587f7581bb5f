"""Which language a text is in, as far as its letters tell: enough to choose a voice that can read it."""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterable

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

NAMES = {
    "zh": "Chinese", "yue": "Cantonese", "en": "English", "ja": "Japanese", "ko": "Korean", "de": "German",
    "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "ru": "Russian", "ar": "Arabic",
    "cs": "Czech", "da": "Danish", "el": "Greek", "fi": "Finnish", "fil": "Filipino", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian", "is": "Icelandic", "ms": "Malay", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "ro": "Romanian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese",
}  # fmt: skip
"""The tags that services and people use, and what they are called."""

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


def tag_named(language: str) -> str:
    """The tag of a language called by its name or its tag, with or without a country (`German`, `de`, `de_AT`); ""
    when it is none of NAMES."""
    wanted = language.strip().lower().replace("_", "-")
    for tag, name in NAMES.items():
        if wanted == name.lower() or wanted.partition("-")[0] == tag:
            return tag
    return ""


def nearest(language: str, tags: Iterable[str]) -> str:
    """A hint for a language that is none of these: the one that was meant, or all of them with their names."""
    known = {tag: NAMES.get(tag, tag) for tag in tags}
    words = {word.lower(): tag for tag, name in known.items() for word in (tag, name)}
    close = difflib.get_close_matches(language.lower(), words, n=1)
    if close:
        tag = words[close[0]]
        return f"Did you mean {tag} ({known[tag]})?" if known[tag] != tag else f"Did you mean {tag}?"
    return f"Known: {', '.join(known)}."


def written_like(language: str, script: str) -> bool:
    """Whether `language` (`ru`, `uk`, `zh-sichuan`) is written with the letters that `script_language` calls so."""
    base = language.lower().partition("-")[0]
    return base in SHARES.get(script, (script,))


def _language_of(letter: str) -> str:
    if letter.isascii():
        return ""
    return _SCRIPTS.get(unicodedata.name(letter, "").partition(" ")[0], "")
