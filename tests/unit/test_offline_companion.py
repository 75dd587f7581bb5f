"""What the companion says, by value; the clock stands still."""

import asyncio
from datetime import datetime

import pytest

from voicechat.engine.answerer import MAX_PIECE_CHARS, Message, Pieces
from voicechat.engine.arithmetic import calculate, chinese_number
from voicechat.engine.companion import _NO_WEATHER, _NO_WEATHER_CHINESE, _UNKNOWN, _UNKNOWN_CHINESE, PHRASES, Companion

companion = Companion(lambda: datetime(2026, 11, 20, 15, 4))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("hello", "Hello! What can I do for you?"),
        ("Good morning!", "Good morning! What can I do for you?"),
        ("what time is it", "It is 3:04 PM."),
        ("What's the time, please?", "It is 3:04 PM."),
        ("what day is it today", "Today is Friday, November 20, 2026."),
        ("What is today's date?", "Today is Friday, November 20, 2026."),
        ("what year is it", "It is 2026."),
        ("what is twelve times seven", "12 times 7 is 84."),
        ("3.5 * 2", "3.5 times 2 is 7."),
        ("my name is anna", "Nice to meet you, Anna."),
        ("My name is Martin, and I live in Leeds.", "Nice to meet you, Martin."),
        ("Please call me Anna, please.", "Nice to meet you, Anna."),
        ("my name is not important", _UNKNOWN),
        ("Tell me the joke, please.", "I know only sums, and none of them is funny."),
        ("what is my name", "You have not told me yet. Say: my name is, and your name."),
        ("Repeat after me: The sky is Blue", "The sky is Blue."),
        ("say good morning to everyone", "Good morning to everyone."),
        ("thank you", "You are welcome."),
        ("bye bye", "Goodbye. It was nice talking to you."),
        ("are you a language model", "I am a small program on this computer: no human and no language model."),
        ("one divided by zero", "Nothing can be divided by zero."),
        ("i am tired", _UNKNOWN),
        ("what time does the train leave", _UNKNOWN),
        ("go forward ten meters", _UNKNOWN),
        ("...", "Sorry, I did not catch that."),
        ("", "Sorry, I did not catch that."),
        ("现在几点？", "现在是15点4分。"),
        ("今天星期几", "今天是2026年11月20日，星期五。"),
        ("我叫小明", "很高兴认识你，小明。"),
        ("明天天气怎么样", _NO_WEATHER_CHINESE),
        ("今天我很累", _UNKNOWN_CHINESE),
        ("My name is John Smith.", "Nice to meet you, John Smith."),
        ("my name is mary jane watson and i live here", "Nice to meet you, Mary Jane Watson."),
        ("my name is chloé o'brien-smith", "Nice to meet you, Chloé O'Brien-Smith."),
        ("我的名字是李雷", "很高兴认识你，李雷。"),
        ("Please call me back", _UNKNOWN),
        ("call me when you are there", _UNKNOWN),
        ("call me a taxi", _UNKNOWN),
        ("my name is hard to pronounce", _UNKNOWN),
        ("What time is it? Thank you.", "It is 3:04 PM."),
        ("I am bored. What time is it? I forgot.", "It is 3:04 PM."),
        ("what day of the week is it", "Today is Friday, November 20, 2026."),
        ("请问现在是几点了？", "现在是15点4分。"),
        ("你好，今天几号星期几", "今天是2026年11月20日，星期五。"),
        ("今天的日期是什么", "今天是2026年11月20日，星期五。"),
        ("三加五等于几", "3加5等于8。"),
        ("三除以零", "零不能做除数。"),
    ],
)
def test_answers(said: str, answer: str) -> None:
    assert companion.reply(said) == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("What time is it in Tokyo?", "I know only the time here and now. It is 3:04 PM."),
        ("What's the time in New York right now?", "I know only the time here and now. It is 3:04 PM."),
        ("What time is dinner?", "I know only the time here and now. It is 3:04 PM."),
        ("What is the time complexity of quicksort?", _UNKNOWN),
        ("It was the best time of my life.", _UNKNOWN),
        ("What is today's weather?", _NO_WEATHER),
        ("what is today's special", _UNKNOWN),
        ("What day is Christmas?", "I know only what day it is today. Today is Friday, November 20, 2026."),
        ("what day is it tomorrow", "I know only what day it is today. Today is Friday, November 20, 2026."),
        ("what year is it in the chinese calendar", _UNKNOWN),
        ("今天天气怎么样？", _NO_WEATHER_CHINESE),
        ("东京现在几点", "我只知道这里的时间。现在是15点4分。"),
        ("圣诞节是几号", "我只知道今天的日期。今天是2026年11月20日，星期五。"),
        ("时间复杂度是什么", _UNKNOWN_CHINESE),
    ],
)
def test_of_other_places_and_days_it_says_that_it_knows_nothing(said: str, answer: str) -> None:
    assert companion.reply(said) == answer


def test_the_name_is_read_from_the_conversation() -> None:
    assert companion.reply("what is my name", ["my name is anna", "hello"]) == "Your name is Anna."
    assert companion.reply("thanks", ["call me peter", "my name is anna"]) == "You are welcome, Anna."
    assert companion.reply("我叫什么名字", ["我叫小明"]) == "你叫小明。"


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_phrase_has_an_answer(phrase: str) -> None:
    assert companion.reply(phrase) != _UNKNOWN


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("what is one hundred and twenty three plus four", ("123 plus 4", "127")),
        ("two thousand and five minus a hundred", ("2005 minus 100", "1905")),
        ("two plus three times four", ("2 plus 3 times 4", "14")),
        ("(2+3)*4", ("(2 plus 3) times 4", "20")),
        ("what is three point five times two", ("3.5 times 2", "7")),
        ("10 / 4", ("10 divided by 4", "2.5")),
        ("ten divided by three", ("10 divided by 3", "about 3.3333")),
        ("What is twelve times seven?", ("12 times 7", "84")),
        ("How much is forty-two plus three, please?", ("42 plus 3", "45")),
        ("twenty zero plus one", None),
        ("2 ** 9", None),
        ("the square root of eighty one", None),
        ("-3 + 5", ("minus 3 plus 5", "2")),
        ("1,000 − 1 =", ("1000 minus 1", "999")),
        ("3加4等于多少", ("3加4", "7")),
        ("请问十二乘以三是多少？", ("12乘以3", "36")),
        ("帮我算一下，一百二十加30", ("120加30", "150")),
        ("负三点五减一千五", ("负3.5减1500", "负1503.5")),
        ("十除以三", ("10除以3", "约3.3333")),
        ("一点", None),
        ("三加香蕉", None),
        ("一" * 5000 + "加一", None),
        ("forty two", None),
        ("two plus", None),
        ("two plus banana", None),
        ("three twenty plus one", None),
        ("(2 + 3", None),
        ("hello", None),
    ],
)
def test_sums(text: str, result: tuple[str, str] | None) -> None:
    assert calculate(text) == result


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("十", "10"),
        ("二十五", "25"),
        ("一百五", "150"),
        ("一百零五", "105"),
        ("一千五百", "1500"),
        ("两万三", "23000"),
        ("一万二千三百四十五", "12345"),
        ("三亿零二百", "300000200"),
        ("一二三", "123"),
        ("零点五", "0.5"),
        ("点五", None),
        ("五点", None),
        ("二十二三", None),
    ],
)
def test_chinese_numbers(said: str, number: str | None) -> None:
    assert chinese_number(said) == number


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1/0", "Nothing can be divided by zero."),
        ("three divided by zero", "Nothing can be divided by zero."),
        ("9999999999 * 9999999999", "That number is too big for me."),
    ],
)
def test_sums_without_an_answer_say_why(text: str, reason: str) -> None:
    assert companion.reply(text) == reason


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("What time is at?", "what time is it"),
        ("What a time is it.", "what time is it"),
        ("Do you understand my?", "do you understand me"),
        ("Tell me about your self.", "tell me about yourself"),
    ],
)
def test_a_phrase_that_was_nearly_understood_is_answered(heard: str, meant: str) -> None:
    assert companion.reply(heard) == companion.reply(meant) != _UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        "What are the odds?",
        "Where are you from?",
        "What is the fame of Rome?",
        "Go on.",
        "Tell me the price.",
        "Do you know my mother?",
        "What is my age?",
        "Can you feel me?",
    ],
)
def test_what_is_only_a_little_alike_is_not_guessed(text: str) -> None:
    assert companion.reply(text) == _UNKNOWN


def test_the_answer_comes_in_sentences() -> None:
    async def pieces() -> list[str]:
        return [piece async for piece in companion.answer([Message("user", "who are you")], "")]

    first, *rest = asyncio.run(pieces())
    assert first == "I am the companion built into this program. "
    assert len(rest) == 1


def test_sentences_lose_nothing_and_are_cut_where_one_breathes() -> None:
    text = 'Mr. Smith paid 3.50 for it. "Really?" Yes! 你好。再见！And a tail without an end'
    cutter = Pieces()
    pieces = [piece for letter in text for piece in cutter.feed(letter)] + cutter.flush()
    assert "".join(pieces) == text
    assert [piece.strip() for piece in pieces] == [
        "Mr. Smith paid 3.50 for it.",
        '"Really?"',
        "Yes!",
        "你好。",
        "再见！",
        "And a tail without an end",
    ]
    long = "word " * 200
    cutter = Pieces()
    pieces = [*cutter.feed(long), *cutter.flush()]
    assert "".join(pieces) == long.rstrip()
    assert max(map(len, pieces)) <= MAX_PIECE_CHARS


def test_the_first_piece_of_a_long_sentence_is_its_first_clause() -> None:
    cutter = Pieces()
    text = "As far as anybody can tell today, it was long, long ago. Then, after a while that was not short, it rained."
    given = [(at, piece) for at, letter in enumerate(text) for piece in cutter.feed(letter)]
    assert given == [
        (33, "As far as anybody can tell today, "),
        (56, "it was long, long ago. "),
    ]
    assert cutter.flush() == ["Then, after a while that was not short, it rained."]
