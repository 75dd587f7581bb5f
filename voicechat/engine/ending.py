"""How long to wait after the last voice: what was said tells whether more is to come. Sans-I/O.

A pause is no end by itself: "my number is five five … three" has three. So a sentence that is whole gets a shorter
wait than the configured one, and one that cannot end there a longer one. English only; other languages are waited
for as configured. Punctuation is the recogniser's guess: a question mark counts for something, a full stop does not.
"""

import re

WHOLE_SHARE = 0.6
"""Of the configured wait when the sentence is whole: 300 ms of 500."""
OPEN_SHARE = 3.0
"""Of the configured wait when it is not: 1500 ms of 500."""
LONGEST_MS = 1500
"""No pause is waited for longer than this, unless that was configured."""
GRACE_MS = 1000
"""How much longer than configured the recogniser is waited for to say what was said: without that there is no answer
anyway.
"""
FINISHED, GOES_ON = 0.9, 0.3
"""Above and below, the probability that somebody has finished counts; between them it says nothing."""

_OPEN_WORDS = """
a an the my your his her its our their this these those some any each every another
and or but nor so because if unless although though while when whenever until since than that which who whom whose
to of in on at by for from with without into onto about over under between through during before after against
is am are was were be been being do does did has have had will would can could shall should may might must
i we they he she it's i'm we're they're you're i've i'd i'll let's
um uh er erm hmm well like plus minus times divided multiplied point dot dash
very really quite more most less mr mrs ms dr
"""
_OPEN = frozenset(_OPEN_WORDS.split())
"""No sentence ends here, or seldom. (Whole ones do: "what is it for", "yes I am".)"""
_ENDS_ANYWAY = re.compile(
    r"(?:\b(?:yes|no|yeah|nope|sure|so|who|what|where|how|which|here|there|as)\b.*\b(?:is|am|are|was|were|do|does|did"
    r"|have|has|had|will|would|can|could|should)"
    r"|\b(?:what|who|where|which)\b.*\b(?:to|of|in|on|at|by|for|from|with|about|like))$"
)
_NUMBER = re.compile(
    r"(?:\d[\d,.]*|zero|oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
    r"|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand"
    r"|million|billion)(?:-\w+)?"
)
_GROWS = re.compile(r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion)$")
_SUM = re.compile(r"\b(?:plus|minus|times|by) \S+$")
_QUESTION = re.compile(r"(?:so |and |please )*(?:what|how|calculate)\b")
_NEVER_WORDS = "a an the my your its our their every and or but nor because if unless although"
_NEVER = frozenset(_NEVER_WORDS.split())
"""No sentence ends here, not even a question, as which the recogniser closes what stops in its middle."""
_TAKES_OBJECT_WORDS = (
    "know|think|say|tell|ask|want|wanted|need|explain|find|remember|forget|write|read|buy|order|get|make|take|put|give"
    "|bring|show|set|describe|compare|translate|spell|define|mean|wonder|believe|guess|suppose|hope|wish|mention"
    "|suggest|recommend|imagine|choose|send|add|use|try|call|book|reserve|play|repeat|convert|have|see|hear|like"
)
_TAKES_OBJECT = re.compile(
    rf"(?:^|\b(?:to|you|i|we|they|please|rather|just|could|can|would|will) )(?!(?<=\bi )(?:know|see)$)"
    rf"(?:{_TAKES_OBJECT_WORDS})(?: down| out| up)?$"
)
"""What is wanted, known or told is missing: unless it was asked for ("what do you want")."""
_OBJECT_ASKED = re.compile(r"^(?:\w+ )?(?:what|which|who|whom|whose|how (?:many|much))\b")
_HANGS = re.compile(
    r"(?:\b(?:tell|give|ask|remind|let|send|bring|show|teach) (?:me|us|you|him|her|them)"
    r"|\b(?:true|sure|think|thought|know|knew|said|hope|believe|so) that"
    r"|\bi(?: was|'m| am) wondering|\b(?:can|could|would|will) you(?: please)?|\blet me (?:think|see)"
    r"|\bi(?: have|'ve)(?: got)? (?:a|an|one|two|three|some|another) questions?"
    r"|^(?:if|when|although|because|while|unless) (?:\S+ ){,4}\S+"
    r"|^(?:and |so )?(?:what is|what's|how much is) (?:the sum of )?(?P<number>\S+))$"
)
"""More is to come. ("When is it?" is asked, and "when I was young" is not, however it is closed.)"""
_SUM_HANGS = re.compile(r"\S (?:times|plus|minus|divided by|multiplied by)$")
_ASKS_WHEN = re.compile(r"^when (?:is|are|was|were|do|does|did|will|can|could|should|would|has|have|had)\b")
_COMPLETE_WORDS = (
    "yes no yeah okay ok sure thanks goodbye bye hello hi stop please nothing never help maybe right exactly"
)
_COMPLETE = frozenset(_COMPLETE_WORDS.split())
"""Whole although they are one word."""
_ENOUGH_WORDS = 3
_LATIN = re.compile(r"[a-z]")


def wait_ms(text: str, usual_ms: int, finished: float | None = None) -> int:
    """How long a silence after `text` is waited for until the turn has ended, `usual_ms` being configured; `finished`
    is how probable that is by its melody, where that was asked."""
    judged = _judge(text)
    if text and finished is not None and judged != "open":
        judged = "open" if finished < GOES_ON else "whole" if finished > FINISHED else judged
    match judged:
        case "whole":
            return round(usual_ms * WHOLE_SHARE)
        case "open":
            return max(usual_ms, min(round(usual_ms * OPEN_SHARE), LONGEST_MS))
    return usual_ms


def _judge(text: str) -> str:
    """`whole`, `open`, or `` when nothing can be said."""
    plain = text.lower().replace("’", "'").strip()
    asks = plain.endswith("?")
    words = [word for raw in plain.split() if (word := raw.strip('.,!?;:…"“”-'))]
    if not words or not _LATIN.search(plain):
        return ""
    last, sentence = words[-1], " ".join(words)
    if _hangs(last, sentence):
        return "open"
    if _NUMBER.fullmatch(last):
        if _GROWS.search(last):
            return "open"
        if _SUM.search(sentence):
            return "whole" if asks or _QUESTION.match(sentence) else ""
        return "" if asks else "open"
    if plain.endswith((",", "-", "…", "...")):
        return "open"
    if last in _OPEN:
        return "" if asks or _ENDS_ANYWAY.search(sentence) else "open"
    if len(words) >= _ENOUGH_WORDS or sentence in _COMPLETE:
        return "whole" if plain.endswith((".", "!", "?")) else ""
    return ""


def _hangs(last: str, sentence: str) -> bool:
    """Whether the sentence cannot end there, whatever the recogniser makes of its melody."""
    if last in _NEVER or _SUM_HANGS.search(sentence):
        return True
    if match := _HANGS.search(sentence):
        if number := match["number"]:
            return bool(_NUMBER.fullmatch(number))
        return not (_ASKS_WHEN.search(sentence) or _OBJECT_ASKED.search(sentence))
    return bool(_TAKES_OBJECT.search(sentence)) and not _OBJECT_ASKED.search(sentence)
