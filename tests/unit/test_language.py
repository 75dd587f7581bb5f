"""The language of a text by its letters."""

import pytest

from voicechat.text.language import latin_language, runs, script_language, written_like


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


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Guten Tag, wie geht es Ihnen heute?", "de"),
        ("Das Wetter in Berlin ist schön.", "de"),
        ("Hallo!", "de"),
        ("Bonjour, comment allez-vous ?", "fr"),
        ("Je m'appelle Marie et j'habite à Paris.", "fr"),
        ("¿Dónde está la biblioteca?", "es"),
        ("Me llamo Ana y soy de Madrid.", "es"),
        ("Buongiorno, come stai oggi?", "it"),
        ("Il gatto è sulla tavola.", "it"),
        ("Olá, tudo bem com você?", "pt"),
        ("O tempo não está muito bom.", "pt"),
        ("The cat is on the table.", ""),
        ("Zoë said that c'est la vie, as they say in French.", ""),
        ("Los Angeles and San Francisco are in California.", ""),
        ("No.", ""),
        ("Yes, I do!", ""),
        ("Die Hard was a film.", ""),
        ("La Paz", ""),
        ("Einstein", ""),
        ("42", ""),
        ("", ""),
    ],
)
def test_languages_in_latin_letters(text: str, language: str) -> None:
    assert latin_language(text) == language


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("The word “你好” is 2 signs.", ["The word “", "你好” ", "is 2 signs."]),
        ("コーヒー and 珈琲 and 食べる", ["コーヒー ", "and ", "珈琲 ", "and ", "食べる"]),
        ("naïve Zoë, 5 µm", ["naïve Zoë, 5 µm"]),
        ("", [""]),
    ],
)
def test_runs_of_letters(text: str, cut: list[str]) -> None:
    assert runs(text) == cut


def test_languages_that_share_letters() -> None:
    assert written_like("uk", "ru")
    assert written_like("zh-sichuan", "zh")
    assert not written_like("en-us", "zh")
