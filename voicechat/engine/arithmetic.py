"""Small sums in words or signs: "what is twelve times seven", "3.5 * 2", "三加五等于几". No more than that."""

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
    "加上": "+", "减去": "-", "乘以": "*", "除以": "/", "加": "+", "减": "-", "乘": "*", "负": "-",
    "×": "*", "÷": "/", "−": "-",
}  # fmt: skip
_ASKED = re.compile(
    r"^(?:(?:please|and|so|okay|ok|can you|could you|tell me|calculate|what is|what's|whats|how much is|how much are)"
    r"\b[ ,]*)+|^(?:请问?|帮我|你?能|告诉我|计算|算算|算|一下|[：:，, ])+"
    r"|[\s,，]*(?:please|equals|(?:等于|是|得)(?:多少|几)|等于|[呢呀啊吗=?？.。!！])+\s*$"
)
_CHINESE_DIGITS = {sign: n for n, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_CHINESE_NUMBER = re.compile(f"[{''.join((*_CHINESE_DIGITS, *_CHINESE_SCALES))}点]{{1,24}}")
_SUM = re.compile(r"[\d.()+*/ -]{3,80}")
_OPERATIONS: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_SPOKEN = {"+": " plus ", "-": " minus ", "*": " times ", "/": " divided by "}
_SPOKEN_CHINESE = {"+": "加", "-": "减", "*": "乘以", "/": "除以"}

MAX_MAGNITUDE = 10**15


class Unanswerable(Exception):
    """A sum, but one without an answer; the message is what to say."""


def calculate(text: str) -> tuple[str, str] | None:
    """The sum in `text` and its result, both ready to show and speak; None when `text` is no sum."""
    chinese = is_chinese(text)
    plain = text.lower().strip()
    while (stripped := _ASKED.sub("", plain)) != plain:
        plain = stripped
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    for words, sign in _SIGNS.items():
        plain = re.sub(rf"(?<![a-z]){re.escape(words)}(?![a-z])", f" {sign} ", plain)
    plain = _CHINESE_NUMBER.sub(lambda found: chinese_number(found[0]) or found[0], plain)
    plain = " ".join(re.sub(r"[a-z]+(?:(?:[ ,]+|-)[a-z]+)*", _in_digits, plain).split())
    if not _SUM.fullmatch(plain) or not re.search(r"\d.*[-+*/]", plain):
        return None
    try:
        value = _value(ast.parse(plain, mode="eval").body, plain)
    except (SyntaxError, ValueError):
        return None
    except ZeroDivisionError:
        raise Unanswerable("零不能做除数。" if chinese else "Nothing can be divided by zero.") from None
    if abs(value) > MAX_MAGNITUDE:
        raise Unanswerable("这个数太大了。" if chinese else "That number is too big for me.")
    if chinese:
        spoken = re.sub(r"(?:^|(?<=[-+*/(]))-", "负", plain.replace(" ", ""))
        return re.sub(r"[-+*/]", lambda sign: _SPOKEN_CHINESE[sign[0]], spoken), _show(value, "约").replace("-", "负")
    spoken = re.sub(r"[-+*/]", lambda sign: _SPOKEN[sign[0]], plain)
    return re.sub(r"(?<=\() | (?=\))", "", " ".join(spoken.split())), _show(value)


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


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


def chinese_number(text: str) -> str | None:
    """ "一百二十三点五" → "123.5", "一千五" → "1500"; None when the signs are no number."""
    whole, point, decimals = text.partition("点")
    if not whole or bool(point) != bool(decimals) or any(sign not in _CHINESE_DIGITS for sign in decimals):
        return None
    if all(sign in _CHINESE_DIGITS for sign in whole):  # as a telephone number is said
        number = int("".join(str(_CHINESE_DIGITS[sign]) for sign in whole))
    else:
        total = group = 0
        digit: int | None = None
        unit = 1
        for sign in whole:
            if sign in _CHINESE_DIGITS:
                if digit:
                    return None
                # What follows 百 or more without 零 is of the next unit: 一百五 is 150.
                digit, unit = _CHINESE_DIGITS[sign], unit // 10 if digit is None else 1
                continue
            scale = _CHINESE_SCALES[sign]
            if scale < 10_000:
                group += (1 if digit is None else digit) * scale
            else:
                total, group = (total + group + (digit or 0)) * scale, 0
            digit, unit = None, scale
        number = total + group + (digit or 0) * max(unit, 1)
    return f"{number}{point and '.'}{''.join(str(_CHINESE_DIGITS[sign]) for sign in decimals)}"


def _show(value: Fraction, about: str = "about ") -> str:
    if value.denominator == 1:
        return str(value.numerator)
    rounded = round(value, 4)
    text = f"{float(rounded):.4f}".rstrip("0").rstrip(".")
    return text if rounded == value else f"{about}{text}"
