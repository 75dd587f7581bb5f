"""Which language a text is in, as far as its letters tell: enough to choose a voice that can read it."""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "KATAKANA-HIRAGANA": "ja",
    "CJK": "zh",
    "IDEOGRAPHIC": "zh",
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
_LETTERS_A_WORD = 8
"""Of the words that a Chinese text takes from English, which are technical ones mostly."""

_WORDS = {
    "en": "a about after all am an and any are as at be because been but by can could did die do does for from get go "
    "good had has have he hello her here hi his how i if in into is it its just know like me more my no not now "
    "of on one only or our out say see she so some than thank thanks that the their them there they this time "
    "to too up us use very want was we were what when where which who will with would yes you your",
    "de": "aber alles als am auch auf aus bei bin bis bist bitte da dank danke das dass dem den der des dich die dir "
    "doch du ein eine einen einer er es für gerne gibt gut gute guten guter habe haben hallo hast hat heißt "
    "heute ich ihnen ihr im ist ja jetzt kann kannst kein keine klar können mal man mein mich mit morgen "
    "möchtest nach natürlich nein nicht noch nur oder schön schöne sehr sein sich sie sind tag uhr um und uns "
    "viel vielen von war was wenn wer wie wieder wiedersehen wir wird wollen zu zum zur über",
    "fr": "accord ai au aussi aux avec beaucoup bien bonjour bonne bonsoir ce cette cinq comme comment comprends dans "
    "de des du elle en est et fait il ils je la le les leur lui ma mais merci moi mon ne nous nuit on ont ou "
    "oui où par pas peux plus pour pouvez qu quand que quel quelle qui quoi revoir sa salut se si son sont sur "
    "sûr tous tout très tu un une va vous à ça être",
    "es": "acuerdo adiós al algo así bien buenas bueno buenos claro como con cuando cómo de del desde donde dónde el "
    "ella en entiendo eres es eso esta este esto estoy está gracias ha hasta hay hola la las le lo los luego "
    "mañana me mi muchas muy más nada no noches nos para pero por porque puedes puedo que qué se si sin sobre "
    "son soy su sí tal también tarde tardes te tengo tiene todo tu un una usted va y ya yo",
    "it": "al alla alle anche arrivederci bene buon buona buongiorno capisco certo che chi ci ciao come con cosa così "
    "da dal dei del della di dove ed gli grazie ha ho il in io la le lo lui ma mi mia mille mio molto ne nel "
    "nella no noi non notte ora per perché più posso può quando quello questa questo se sei sera si sono sta "
    "stai su sì ti tu tutto un una uno va vero è",
    "pt": "amanhã ao as até bem boa bom claro com como da das de dia do dos ela ele em entendo então estou está eu "
    "foi há isso isto já logo mais mas me meu minha muito na no noite nos não obrigada obrigado olá onde os ou "
    "para pela pelo pode por porque posso quando que quem se sem ser seu sim sou sua só também tarde te tem "
    "tenho tudo um uma vai você vocês às é",
}
"""The commonest words of languages that are written with the same letters."""
_KNOWN_WORDS = {name: frozenset(words.split()) for name, words in _WORDS.items()}
_LETTERS = {"ß": "de", "ä": "de", "ö": "de", "ü": "de", "ñ": "es", "¿": "es", "¡": "es", "ã": "pt", "õ": "pt"}
_WORD = re.compile(r"[^\W\d_]+")

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


def latin_language(text: str) -> str:
    """The language of a text in Latin letters by its commonest words (`de`, `es`, `fr`, `it`, `pt`); "" for English,
    and for any other. A word of it in English does not make it one."""
    words = _WORD.findall(text.lower())
    found = Counter(name for word in words for name, known in _KNOWN_WORDS.items() if word in known)
    english = found.pop("en", 0)
    found.update({_LETTERS[letter] for letter in text.lower() if letter in _LETTERS})
    best = max(found, key=lambda name: found[name], default="")
    return best if found[best] > english and found[best] >= min(2, len(words)) else ""


def runs(text: str) -> list[str]:
    """The text cut where the letters of another language begin; joined they are `text`. What is no letter belongs to
    the letters before it."""
    languages = [_language_of(letter) if letter.isalpha() else None for letter in text]
    if "ja" in languages:
        languages = ["ja" if language == "zh" else language for language in languages]
    found, current = [""], None
    for letter, language in zip(text, languages, strict=True):
        if language is not None:
            if current not in (None, language):
                found.append("")
            current = language
        found[-1] += letter
    return found


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
