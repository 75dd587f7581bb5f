"""Whether words of the user are a yes or a no. Anything longer, or else, is neither: it is an ordinary turn."""

import re

MOST_WORDS = 5
_YES = {
    "yes", "yeah", "yep", "yup", "sure", "ok", "okay", "go", "please", "allow", "allowed", "approve", "approved",
    "absolutely", "confirmed", "confirm", "fine",
    "ja", "jawohl", "gerne", "klar", "oui", "sí", "si", "vale", "claro", "sim",
    "да", "хорошо", "はい", "うん", "네", "예",
}  # fmt: skip
_NO = {
    "no", "nope", "nah", "don't", "dont", "not", "never", "stop", "cancel", "deny", "denied", "refuse", "wait",
    "nein", "nicht", "non", "não", "нет", "いいえ", "だめ", "아니요", "아니",
}  # fmt: skip
_CHINESE_YES = ("好", "可以", "是的", "是", "行", "同意", "对", "确认", "没问题", "嗯")
_CHINESE_NO = ("不", "别", "取消", "否", "没有", "算了", "等")
_CHINESE_MORE = "的了吧呀啊,，。！!请执行做运行去发 "


def verdict(text: str) -> bool | None:
    """True for a yes, False for a no, None for neither."""
    words = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.casefold())
    words = [word.replace("’", "'") for word in words]
    if any(_is_chinese(word) for word in words):
        return _chinese("".join(words))
    if not words or len(words) > MOST_WORDS:
        return None
    if any(word in _NO for word in words):
        return False
    return True if words[0] in _YES else None


def _is_chinese(word: str) -> bool:
    return any("一" <= letter <= "鿿" for letter in word)


def _chinese(text: str) -> bool | None:
    if any(text.startswith(no) or no in text[:2] for no in _CHINESE_NO) and not text.startswith("没问题"):
        return False if len(text) <= 2 * MOST_WORDS else None
    for yes in _CHINESE_YES:
        if text.startswith(yes) and not text.removeprefix(yes).strip(_CHINESE_MORE + "".join(_CHINESE_YES)):
            return True
    return None
