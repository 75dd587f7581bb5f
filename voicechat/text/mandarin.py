"""Numbers in a Chinese text, as they are said: 25 is 二十五, the year 2026 is 二零二六, 3.5% is 百分之三点五."""

import re

_DIGITS = "零一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "万亿")
LONGEST_NUMBER = 12
"""A longer run of digits is a code or an account: its digits are said one by one."""
SHORTEST_CODE = 8
"""So is one of this length that counts nothing, when it is not round."""
_COUNTED = (
    "个位只条张本件次天周种块元米人秒斤倍千万亿吨克升户辆名家岁页股遍句门架台篇首支双套杯瓶碗口层"
)  # fmt: skip
_UNIT = re.compile(rf"\s*(?:[{_COUNTED}多年度美港日欧英平立公毫厘]|分钟|小时)")
_PHONE = re.compile(r"1[3-9]\d{9}")
_TWO = re.compile(
    rf"(?<![A-Za-z\d.:：,第/-])(?<!第 )2(?=\s*(?:[{_COUNTED}]|年(?!级)|分钟|小时|公[里斤分]|平方|点(?!\d)))"
)
"""It counts: 两个, and not 二个."""
_VERSION = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])")
_RANGE = re.compile(
    rf"(?<![\d.-])(\d{{1,4}}(?:\.\d+)?)\s*[%％]?\s*[-–—~～]\s*(\d{{1,4}}(?:\.\d+)?)(?=\s*[%％{_COUNTED}年月日度分小])"
)

_YEAR = re.compile(r"(?<!\d)([12]\d{3})(?=(?:[-–—~～至到][12]\d{3})?年)")
_TIME = re.compile(r"(?<!\d)(\d{1,2})[:：](\d{2})(?!\d)")
_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_PERCENT = re.compile(r"((?:(?<!\d)-)?\d[\d.]*到\d[\d.]*|(?:(?<!\d)-)?\d[\d,]*(?:\.\d+)?)\s*[%％]")
_NUMBER = re.compile(r"(?<![\dA-Za-z])(-?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?")


def read_numbers(text: str) -> str:
    """The text with its numbers in words. Digits within a Latin word (`B2B`) stay."""
    text = _VERSION.sub(lambda m: "点".join(digits(part) for part in m[0].split(".")), text)
    text = _DATE.sub(lambda m: f"{digits(m[1])}年{int(m[2])}月{int(m[3])}日", text)
    text = _YEAR.sub(lambda m: digits(m[1]), text)
    text = _TIME.sub(_clock, text)
    text = _RANGE.sub(r"\1到\2", _TWO.sub("两", text))
    text = _PERCENT.sub(lambda m: f"百分之{read_numbers(m[1])}", text)
    return _NUMBER.sub(_number, text)


def digits(number: str) -> str:
    """One by one."""
    return "".join(_DIGITS[int(digit)] for digit in number)


def whole(number: str) -> str:
    """A whole number without a sign; `007` and what is longer than a number stay digits."""
    number = number.replace(",", "")
    if len(number) > LONGEST_NUMBER or (number[0] == "0" and len(number) > 1):
        return digits(number)
    if int(number) == 0:
        return _DIGITS[0]
    groups = []
    while number:
        number, group = number[:-4], number[-4:]
        groups.append(group)
    said = ""
    for place in reversed(range(len(groups))):
        group = groups[place]
        if not int(group):
            continue
        if said and (group[0] == "0" or not int(groups[place + 1])):
            said += _DIGITS[0]
        said += _group(group) + _GROUPS[place]
    return said[1:] if said.startswith("一十") else said


def _number(match: "re.Match[str]") -> str:
    minus, number, fraction = match.groups()
    said = digits(number) if not (minus or fraction or _counts(match)) else whole(number)
    return ("负" if minus else "") + said + (f"点{digits(fraction)}" if fraction else "")


def _counts(match: "re.Match[str]") -> bool:
    """Whether the number says how many, and names nothing."""
    number = match[2]
    if len(number) < SHORTEST_CODE or "," in number or _UNIT.match(match.string, match.end()):
        return True
    return number.endswith("0000") and not _PHONE.fullmatch(number)


def _group(group: str) -> str:
    """Four digits at most, not all of them zero."""
    said, gap = "", False
    for place, digit in zip(reversed(range(len(group))), group, strict=True):
        if digit == "0":
            gap = bool(said)
            continue
        said += (_DIGITS[0] if gap else "") + _DIGITS[int(digit)] + _UNITS[place]
        gap = False
    return said


def _clock(match: "re.Match[str]") -> str:
    hour, minute = match[1], match[2]
    if int(hour) > 24 or int(minute) > 59:
        return f"{whole(hour)}比{whole(minute)}"
    said = "两" if int(hour) == 2 else whole(hour)
    if minute == "00":
        return f"{said}点"
    return f"{said}点{'零' if minute[0] == '0' else ''}{whole(minute.lstrip('0'))}分"
