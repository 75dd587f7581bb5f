"""The built-in companion: a few things answered well, without any model, and the rest honestly not.

Rules over words, in order; the first that matches answers. What matches none, but is like a phrase of the companion's
own, was most likely that phrase misheard. English, spoken or typed, and a little typed Chinese.
"""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from difflib import SequenceMatcher, get_close_matches

from voicechat.engine.answerer import Message, Pieces
from voicechat.engine.arithmetic import Unanswerable, calculate, is_chinese

_Clock = Callable[[], datetime]
_Rule = tuple[re.Pattern[str], Callable[["Companion", re.Match[str], str], str]]


class Companion:
    """An `Answerer`. It keeps nothing itself: the user's name is read from the conversation."""

    model = "companion"

    def __init__(self, now: _Clock = datetime.now):
        self._now = now

    async def answer(self, history: Sequence[Message], instructions: str) -> AsyncGenerator[str, None]:
        said = [message.text for message in history if message.role == "user"]
        pieces = Pieces()
        for piece in pieces.feed(self.reply(said[-1] if said else "", said[:-1])):
            yield piece
        for piece in pieces.flush():
            yield piece

    async def close(self) -> None:
        """Nothing to release."""

    def reply(self, text: str, earlier: Sequence[str] = ()) -> str:
        """The answer to `text`; `earlier` are the user's turns before it."""
        plain = _plain(text)
        if not plain:
            return "Sorry, I did not catch that."
        if match := _REPEAT.search(text):
            return _sentence(match["what"] or match["chinese"])
        if introduced := _name_in(plain):
            return f"很高兴认识你，{introduced}。" if is_chinese(introduced) else f"Nice to meet you, {introduced}."
        if answer := self._by_rule([plain, *map(_plain, _SENTENCE_END.split(text))], earlier):
            return answer
        try:
            if result := calculate(text):
                return _capital(f"{result[0]}等于{result[1]}。" if is_chinese(text) else f"{result[0]} is {result[1]}.")
        except Unanswerable as reason:
            return str(reason)
        bare = _POLITE.sub("", plain)
        for phrase in get_close_matches(bare, PHRASES, 1, LIKENESS):
            if _may_be_misheard(bare, phrase):
                return self._by_rule([phrase], earlier)
        return _UNKNOWN_CHINESE if is_chinese(text) else _UNKNOWN

    def _by_rule(self, sentences: Sequence[str], earlier: Sequence[str]) -> str:
        """What the first rule says to any of these; the rules stand in the order of their weight."""
        for pattern, answer in _RULES:
            for sentence in sentences:
                if match := pattern.search(sentence):
                    name = next((name for turn in reversed(earlier) if (name := _name_in(_plain(turn)))), "")
                    return answer(self, match, name)
        return ""

    def _greet(self, match: re.Match[str], name: str) -> str:
        daytime = match.groupdict().get("daytime")
        hello = f"Good {daytime}" if daytime else "Hello"
        return f"{hello}{', ' + name if name else ''}! What can I do for you?"

    def _your_name(self, match: re.Match[str], name: str) -> str:
        return f"Your name is {name}." if name else "You have not told me yet. Say: my name is, and your name."

    def _time(self, match: re.Match[str], name: str) -> str:
        now = self._now()
        return f"It is {now.hour % 12 or 12}:{now.minute:02} {'AM' if now.hour < 12 else 'PM'}."

    def _time_elsewhere(self, match: re.Match[str], name: str) -> str:
        return f"I know only the time here and now. {self._time(match, name)}"

    def _date(self, match: re.Match[str], name: str) -> str:
        now = self._now()
        return f"Today is {now:%A}, {now:%B} {now.day}, {now.year}."

    def _another_date(self, match: re.Match[str], name: str) -> str:
        return f"I know only what day it is today. {self._date(match, name)}"

    def _year(self, match: re.Match[str], name: str) -> str:
        return f"It is {self._now().year}."

    def _month(self, match: re.Match[str], name: str) -> str:
        return f"It is {self._now():%B}."

    def _thanked(self, match: re.Match[str], name: str) -> str:
        return f"You are welcome{', ' + name if name else ''}."

    def _bye(self, match: re.Match[str], name: str) -> str:
        return f"Goodbye{', ' + name if name else ''}. It was nice talking to you."

    def _time_chinese(self, match: re.Match[str], name: str) -> str:
        now = self._now()
        return f"现在是{now.hour}点{now.minute}分。"

    def _date_chinese(self, match: re.Match[str], name: str) -> str:
        now = self._now()
        return f"今天是{now.year}年{now.month}月{now.day}日，星期{'一二三四五六日'[now.weekday()]}。"

    def _time_elsewhere_chinese(self, match: re.Match[str], name: str) -> str:
        return f"我只知道这里的时间。{self._time_chinese(match, name)}"

    def _another_date_chinese(self, match: re.Match[str], name: str) -> str:
        return f"我只知道今天的日期。{self._date_chinese(match, name)}"


def _say(text: str) -> Callable[[Companion, re.Match[str], str], str]:
    return lambda companion, match, name: text


LIKENESS = 0.82
"""Of a sentence and a phrase, by difflib's ratio: "what time is at" is taken for "what time is it"."""
PHRASES = (
    "hello there", "good morning", "good afternoon", "good evening", "how are you", "how are you doing",
    "what time is it", "what time is it now", "what is the time", "tell me the time", "do you know what time it is",
    "what day is it", "what day is it today", "what is the date", "what is today's date", "tell me the date",
    "what year is it", "what month is it", "what is my name", "do you know my name", "do you remember my name",
    "what is your name", "do you have a name", "who are you", "what are you", "are you human", "are you a robot",
    "are you a computer", "are you a real person", "are you a language model", "tell me about yourself",
    "how do you work", "what can you do", "what can i ask you", "what can i say", "can you help me", "thank you",
    "thank you very much", "thanks a lot", "goodbye", "good night", "see you later", "be quiet",
    "can you hear me", "do you understand me", "nice to meet you", "tell me a joke",
)  # fmt: skip
"""What the companion is asked. Shorter ones are too like too much."""

_UNKNOWN = (
    "Sorry, I did not understand that. I am only a small program, not a language model. "
    "You can ask me for the time, the date or a sum."
)
_UNKNOWN_CHINESE = "对不起，我没听懂。我只是一个小程序，不是语言模型。你可以问我时间、日期，或者让我算数。"
_HELP = (
    "I can tell you the time and the date, do sums, repeat after you and remember your name. "
    "For a real talk, connect me to a chat model such as Ollama."
)
_ABOUT = (
    "I am the companion built into this program. I am no language model: I know a few phrases, "
    "and everything happens on this computer."
)

_NO_WEATHER = "I know nothing of the weather: I look nothing up. You can ask me for the time, the date or a sum."
_NO_WEATHER_CHINESE = "我不知道天气，我不上网。你可以问我时间、日期，或者让我算数。"

_SENTENCE_END = re.compile(r"[.!?。！？，；,;]+\s*")
_POLITE = re.compile(r"^please | please$")
_NO_NAME = (
    r"(?:not|no|an?|the|to|of|in|on|at|for|by|as|if|when|is|was|back|up|again|later|soon|now|today|tonight|tomorrow|"
    r"maybe|very|so|too|really|quite|hard|spelled|pronounced|please|and|but|i|i'm|what|how|nice|from|anything|whatever)\b"
)
_NAMING = re.compile(
    r"^(?:hello |hi |hey |well |okay )?(?:my name is|my name's|(?:please |you can )?call me) "
    rf"(?P<name>(?!{_NO_NAME})[^\W\d_][\w'-]+(?: (?!{_NO_NAME})[^\W\d_][\w'-]*){{0,2}})"
    r"(?: please| (?:and|but|so|i|i'm|what|how|nice|from)\b.*)?$"
    r"|(?:我叫|我的名字[是叫])(?!什么|啥|你|他|她)(?P<chinese>\S{1,8})$"
)

_REPEAT = re.compile(
    r"^\s*(?:please )?(?:repeat after me|repeat|say)\b[ ,:]*(?P<what>.+)"
    r"|^\s*请?(?:跟我说|重复)[：:， ]*(?P<chinese>.+)",
    re.IGNORECASE,
)

_NOW = r"(?: (?:is|it|now|right|today|please|here|exactly|again|at the moment|thanks|thank you))*$"
_ASKING = "^(?:[请问你能可以帮我看报说一下告诉知道现在此刻目前这里当前今天日的是都已经到])*"
_ASKED = "(?:了|多|钟|几分|几号|星期几|什么|多少|是|啊|呢|呀|吗)*$"
"""Around what is asked for, and nothing else: of other places and days the companion knows nothing."""

_RULES: tuple[_Rule, ...] = tuple(
    (re.compile(pattern), answer)
    for pattern, answer in (
        (r"我叫什么|我的名字", lambda self, match, name: f"你叫{name}。" if name else "你还没告诉我。"),
        (r"天气|气温|下雨|下雪", _say(_NO_WEATHER_CHINESE)),
        (rf"{_ASKING}(?:几点|什么时间|时间|报时){_ASKED}", Companion._time_chinese),
        (rf"{_ASKING}(?:几月几[号日]|几[号日]|日期|星期几|礼拜几|周几|哪天|什么日子){_ASKED}", Companion._date_chinese),
        (r"几点", Companion._time_elsewhere_chinese),
        (r"几号|日期|星期几|礼拜几|周几", Companion._another_date_chinese),
        (r"你是谁|你叫什么", _say("我是这个程序自带的小伙伴，不是语言模型。")),
        (r"你会什么|你能做什么|帮助", _say("我会报时、报日期、算数，还能记住你的名字。")),
        (r"^(?:你好|您好|早上好|晚上好)", _say("你好！有什么可以帮你？")),
        (r"谢谢", _say("不客气。")),
        (r"再见|拜拜", _say("再见！")),
        (r"\b(?:what is|what's|whats|do you (?:know|remember)) my name\b|^who am i$", Companion._your_name),
        (r"\bhow are you\b|\bhow do you do\b", _say("I am fine, thank you. How can I help?")),
        (r"\bnice to meet you\b", _say("Nice to meet you too.")),
        (r"\bweather\b|\bforecast\b", _say(_NO_WEATHER)),
        (rf"(?:\bwhat(?:'?s| is)? (?:the )?(?:current |exact )?|\bme the |^the )time{_NOW}", Companion._time),
        (
            rf"(?:\bwhat(?:'?s| is)? (?:the |today's |today |the current )?|\bme the |^the )(?:day|date)"
            rf"(?: of the week)?{_NOW}|\bwhat(?:'s| is) today$",
            Companion._date,
        ),
        (rf"\bwhat year{_NOW}", Companion._year),
        (rf"\bwhat month{_NOW}", Companion._month),
        (
            r"\bwhat(?:'?s| is)? (?:the )?(?:current |exact )?time(?: (?:is|it|now|right))* (?:in|on) \w"
            r"|\bwhat time (?:is|was|will) (?!at\b)\w",
            Companion._time_elsewhere,
        ),
        (r"\bwhat (?:day|date) (?:is|was|will) (?!at\b)\w|\bdate of \w", Companion._another_date),
        (r"\b(?:what is|what's|whats) your name\b|\bhave a name\b", _say("I am simply called Companion.")),
        (
            r"\b(?:are you|you are) (?:a |an )?(?:language model|large language model|ai|a i|a\. i\.|chat ?gpt|human"
            r"|robot|computer|real person|person|intelligent|machine)\b",
            _say("I am a small program on this computer: no human and no language model."),
        ),
        (r"^(?:who|what) are you\b|\babout yourself\b|\bhow do you work\b", _say(_ABOUT)),
        (r"\bwhat can (?:you do|i (?:ask|say))\b|\bhelp\b", _say(_HELP)),
        (r"\bcan you hear me\b", _say("Yes, I hear you.")),
        (r"\bdo you understand me\b", _say("A little: ask me what I can do.")),
        (r"\btell me a joke\b", _say("I know only sums, and none of them is funny.")),
        (r"\b(?:thank you|thanks|thank)\b", Companion._thanked),
        (r"\b(?:goodbye|good bye|bye|good night|see you)\b", Companion._bye),
        (r"^(?:please )?(?:stop|be quiet|quiet|shut up|silence)\b", _say("Okay.")),
        (r"^(?:yes|yeah|no|okay|ok)$", _say("Okay. What else can I do?")),
        (r"^(?:hello |hi )?good (?P<daytime>morning|afternoon|evening)\b", Companion._greet),
        (r"^(?:hello|hi|hey)\b", Companion._greet),
    )
)


def _name_in(plain: str) -> str:
    match = _NAMING.search(plain)
    if match is None:
        return ""
    if match["chinese"]:
        return match["chinese"]
    return re.sub(r"(?<![^\W\d_])[^\W\d_]", lambda letter: letter[0].upper(), match["name"])


def _may_be_misheard(heard: str, phrase: str) -> bool:
    """Whether every word of some length is at all like one of the phrase: "tell me the price" is not the time."""
    telling = (word for word in heard.split() if len(word) > 2 and word != "the")
    return all(any(SequenceMatcher(None, word, b).ratio() >= 0.6 for b in phrase.split()) for word in telling)


def _plain(text: str) -> str:
    """Lower case, without punctuation at word ends, one space between words."""
    words = (word.strip('.,!?;:"“”。，！？') for word in text.lower().replace("’", "'").split())
    return " ".join(word for word in words if word)


def _sentence(text: str) -> str:
    """As it was said, with a capital and a full stop."""
    text = _capital(text.strip())
    return text if text[-1:] in ".!?。！？" else text + ("。" if is_chinese(text) else ".")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
