"""The language of a text by its letters."""

import pytest

from voicechat.text.language import script_language, written_like


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Twelve times seven is 84.", ""),
        ("Ça va très bien, naïve Zoë.", ""),
        ("84 + 3 = ?", ""),
        ("", ""),
        ("你好，我是你的朋友。", "zh"),
        ("我用 Python 写程序。", "zh"),
        ("The word 你好 means hello in Chinese, and is the first that everybody learns.", ""),
        ("こんにちは、元気ですか。", "ja"),
        ("東京は日本の首都です。", "ja"),
        ("안녕하세요.", "ko"),
        ("Здравствуйте!", "ru"),
        ("Καλημέρα", "el"),
        ("שלום", "he"),
        ("สวัสดี", "th"),
    ],
)
def test_script(text: str, language: str) -> None:
    assert script_language(text) == language


def test_languages_that_share_letters() -> None:
    assert written_like("uk", "ru")
    assert written_like("zh-sichuan", "zh")
    assert not written_like("en-us", "zh")
