"""Small sums in words or signs: "what is twelve times seven", "3.5 * 2". Plus, minus, times, divided by; no more."""

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

_UNITS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: n for n, word in enumerate(_UNITS.split())} | {word: 10 * n for n, word in enumerate(_TENS.split(), 2)}
_SCALES = {"thousand": 1_000, "million": 1_000_000}
_SIGNS = {
    "multiplied by": "*", "divided by": "/", "plus": "+", "minus": "-", "times": "*", "over": "/",
    "乘以": "*", "除以": "/", "加": "+", "减": "-", "乘": "*", "×": "*", "÷": "/", "−": "-",
}  # fmt: skip
_ASKED = re.compile(
    r"^(?:(?:please|and|so|okay|ok|can you|could you|tell me|calculate|what is|what's|whats|how much is|how much are)"
    r"\b[ ,]*)+|[\s,]*(?:please|equals|等于多少|是多少|等于几|是几|[=?？.。!])+\s*$"
)
_SUM = re.compile(r"[\d.()+*/ -]{3,80}")
_OPERATIONS: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_SPOKEN = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}

MAX_MAGNITUDE = 10**15


class Unanswerable(Exception):
    """A sum, but one without an answer; the message is what to say."""


def calculate(text: str) -> tuple[str, str] | None:
    """The sum in `text` and its result, both ready to show and speak; None when `text` is no sum."""
    plain = text.lower().strip()
    while (stripped := _ASKED.sub("", plain)) != plain:
        plain = stripped
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    for words, sign in _SIGNS.items():
        plain = re.sub(rf"(?<![a-z]){re.escape(words)}(?![a-z])", f" {sign} ", plain)
    plain = " ".join(re.sub(r"[a-z]+(?:(?:[ ,]+|-)[a-z]+)*", _in_digits, plain).split())
    if not _SUM.fullmatch(plain) or not re.search(r"\d.*[-+*/]", plain):
        return None
    try:
        value = _value(ast.parse(plain, mode="eval").body, plain)
    except (SyntaxError, ValueError):
        return None
    except ZeroDivisionError:
        raise Unanswerable("Nothing can be divided by zero.") from None
    if abs(value) > MAX_MAGNITUDE:
        raise Unanswerable("That number is too big for me.")
    spoken = re.sub(r"[-+*/]", lambda sign: f" {_SPOKEN[sign[0]]} ", plain)
    return re.sub(r"(?<=\() | (?=\))", "", " ".join(spoken.split())), _show(value)


def _value(node: ast.expr, text: str) -> Fraction:
    """Exact, in fractions. Raises ValueError for anything but a sum."""
    match node:
        case ast.Constant():
            return Fraction(ast.get_source_segment(text, node) or "")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, text)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATIONS:
            return _OPERATIONS[type(sign)](_value(left, text), _value(right, text))
    raise ValueError(text)


def _in_digits(words: re.Match[str]) -> str:
    number = spoken_number(re.findall(r"[a-z]+", words[0]))
    return words[0] if number is None else f" {number} "


def spoken_number(words: list[str]) -> str | None:
    """ "one hundred and twenty three point five" → "123.5"; None when the words are no number."""
    whole, _, decimals = " ".join(words).partition(" point ")
    total = group = 0
    last = ""
    for word in whole.split():
        if word in _SMALL and (last not in _SMALL or (_SMALL[last] >= 20 and 0 < _SMALL[word] < 10)):
            group += _SMALL[word]
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in _SCALES:
            total, group = total + max(group, 1) * _SCALES[word], 0
        elif not (word in ("a", "an") and not last) and not (word == "and" and last in ("hundred", *_SCALES)):
            return None
        last = word
    digits = [_SMALL.get(word, 10) for word in decimals.split()]
    if last in ("", "and", "a", "an") or any(digit > 9 for digit in digits):
        return None
    return f"{total + group}{'.' if digits else ''}{''.join(map(str, digits))}"


def _show(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    rounded = round(value, 4)
    text = f"{float(rounded):.4f}".rstrip("0").rstrip(".")
    return text if rounded == value else f"about {text}"
