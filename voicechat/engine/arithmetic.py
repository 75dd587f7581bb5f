"""Sums in words or signs: "what is twelve times seven", "3.5 * 2", "the square root of eighty one"."""

import math
import re
from fractions import Fraction

_UNITS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: 10 * n for n, word in enumerate(_TENS_WORDS.split(), 2)}
_SMALL = {word: n for n, word in enumerate(_UNITS.split())} | _TENS | {"fourty": 40}
_SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_OPERATORS = (
    ("multiplied by", "*"),
    ("divided by", "/"),
    ("to the power of", "^"),
    ("percent of", "%"),
    ("per cent of", "%"),
    ("% of", "%"),
    ("square root of", "√"),
    ("squared", "^ 2"),
    ("cubed", "^ 3"),
    ("half of", "1 / 2 *"),
    ("plus", "+"),
    ("minus", "-"),
    ("times", "*"),
    ("over", "/"),
    ("加", "+"),
    ("减", "-"),
    ("乘以", "*"),
    ("乘", "*"),
    ("除以", "/"),
)
_FILLER = re.compile(
    r"^(?:please |and |so |okay |ok |can you |could you |tell me |calculate |compute |work out |what is |what's |"
    r"whats |how much is |how much are |the |a )+|\s*(?:please|equals|等于多少|是多少|等于几|是几|=|\?|？|\.)+\s*$"
)
_TOKEN = re.compile(r"\s*(\d[\d,]*(?:\.\d+)?|\.\d+|[a-z]+|[-+*/^%√()×÷−])")
_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "-": "-"})

MAX_MAGNITUDE = 10**15
MAX_POWER = 64


class Unanswerable(Exception):
    """A sum, but one without an answer; the message is what to say."""


def calculate(text: str) -> tuple[str, str] | None:
    """The sum in `text` and its result, both ready to show and speak; None when `text` is no sum."""
    plain = " ".join(text.lower().replace("**", "^").split())
    while (stripped := _FILLER.sub("", plain)) != plain:
        plain = stripped
    for words, sign in _OPERATORS:
        plain = re.sub(rf"(?<![a-z]){re.escape(words)}(?![a-z])", f" {sign} ", plain)
    tokens = _tokens(plain)
    if tokens is None or not any(isinstance(token, str) for token in tokens):
        return None
    parser = _Parser(tokens)
    value = parser.parse()
    return None if value is None else (_show_sum(tokens), _show(value))


def _tokens(text: str) -> list[Fraction | str] | None:
    tokens: list[Fraction | str] = []
    words: list[str] = []
    position = 0
    text = text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        position = match.end()
        token = match[1]
        if token.isalpha() and token != "√":
            words.append(token)
            continue
        if words and (number := spoken_number(words)) is None:
            return None
        if words and number is not None:
            tokens.append(number)
            words = []
        if token[0].isdigit() or token[0] == ".":
            tokens.append(Fraction(token.replace(",", "")))
        else:
            tokens.append(token.translate(_SIGNS))
    if words:
        number = spoken_number(words)
        if number is None:
            return None
        tokens.append(number)
    return tokens


def spoken_number(words: list[str]) -> Fraction | None:
    """ "one hundred and twenty three point five" → 123.5; None when the words are no number."""
    whole, _, decimals = " ".join(words).partition("point")
    total = group = 0
    last = ""
    for word in whole.split():
        if word in _SMALL:
            # "twenty three", but not "three twenty" nor "four five"
            if last in _SMALL and not (last in _TENS and _SMALL[word] < 10):
                return None
            group += _SMALL[word]
        elif word in ("a", "an") and not last:
            pass
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in _SCALES:
            total, group = total + max(group, 1) * _SCALES[word], 0
        elif word != "and" or last not in ("hundred", "thousand", "million", "billion"):
            return None
        last = word
    digits = [_SMALL.get(word, 10) for word in decimals.split()]
    if not last or last in ("and", "a", "an") or any(digit > 9 for digit in digits):
        return None
    value = Fraction(total + group)
    for place, digit in enumerate(digits, 1):
        value += Fraction(digit, 10**place)
    return value


class _Parser:
    """Recursive descent over numbers and signs; exact, in fractions."""

    def __init__(self, tokens: list[Fraction | str]):
        self._tokens = tokens
        self._at = 0

    def parse(self) -> Fraction | None:
        try:
            value = self._sum()
        except _NoSum:
            return None
        return value if self._at == len(self._tokens) else None

    def _next(self) -> Fraction | str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _sum(self) -> Fraction:
        value = self._product()
        while (sign := self._next()) in ("+", "-"):
            self._at += 1
            right = self._product()
            value = _bounded(value + right if sign == "+" else value - right)
        return value

    def _product(self) -> Fraction:
        value = self._power()
        while (sign := self._next()) in ("*", "/", "%"):
            self._at += 1
            right = self._power()
            if sign == "/" and right == 0:
                raise Unanswerable("Nothing can be divided by zero.")
            value = _bounded(value / right if sign == "/" else value * right / (100 if sign == "%" else 1))
        return value

    def _power(self) -> Fraction:
        value = self._atom()
        if self._next() == "^":
            self._at += 1
            exponent = self._power()
            if exponent.denominator != 1 or abs(exponent) > MAX_POWER:
                raise Unanswerable("That power is too much for me.")
            if value == 0 and exponent < 0:
                raise Unanswerable("Nothing can be divided by zero.")
            value = _bounded(value**exponent.numerator)
        return value

    def _atom(self) -> Fraction:
        token = self._next()
        self._at += 1
        if isinstance(token, Fraction):
            return token
        if token == "-":
            return -self._atom()
        if token == "√":
            return _root(self._atom())
        if token == "(":
            value = self._sum()
            if self._next() == ")":
                self._at += 1
                return value
        raise _NoSum


class _NoSum(Exception):
    pass


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise Unanswerable("A negative number has no real square root.")
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    exact = Fraction(top, bottom)
    return exact if exact * exact == value else Fraction(math.sqrt(value))


def _bounded(value: Fraction) -> Fraction:
    if abs(value) > MAX_MAGNITUDE:
        raise Unanswerable("That number is too big for me.")
    return value


def _show(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    rounded = round(value, 4)
    text = f"{float(rounded):.4f}".rstrip("0").rstrip(".")
    return text if rounded == value else f"about {text}"


_SPOKEN = {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "^": "to the power of", "%": "percent of"}


def _show_sum(tokens: list[Fraction | str]) -> str:
    words = [_show(token) if isinstance(token, Fraction) else _SPOKEN.get(token, token) for token in tokens]
    text = " ".join(words).replace("√", "the square root of").replace("( ", "(").replace(" )", ")")
    return text.replace("to the power of 2", "squared").replace("to the power of 3", "cubed")
