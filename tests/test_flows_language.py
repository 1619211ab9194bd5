"""Language, words, reading time and fingerprints."""

import json
import subprocess
import sys

import pytest

from flows.extraction.language import cjk_characters, language, reading_time_s, word_count

ENGLISH = "The council met on Tuesday evening to discuss the future of the old mill, and nobody could agree. "
GERMAN = "Der Rat traf sich am Dienstagabend, um über die Zukunft der alten Mühle zu sprechen, ohne Einigung. "


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ENGLISH, "en"),
        (GERMAN, "de"),
        (
            "Le conseil s'est réuni mardi soir pour discuter de l'avenir du vieux moulin, sans trouver d'accord.",
            "fr",
        ),
        (
            "El consejo se reunió el martes por la noche para hablar del futuro del viejo molino, sin acuerdo.",
            "es",
        ),
        (
            "A câmara reuniu-se na terça-feira à noite para discutir o futuro do velho moinho, sem acordo.",
            "pt",
        ),
        (
            "Byrådet mødtes tirsdag aften for at tale om den gamle mølles fremtid, og ingen kunne blive enige.",
            "da",
        ),
        ("町議会は火曜日の夜に集まり、古い水車小屋の将来について話し合ったが、誰も合意できなかった。", "ja"),
        ("市议会星期二晚上开会讨论老磨坊的未来，但是没有人能够达成一致意见，于是会议推迟了。", "zh"),
        (
            "시의회는 화요일 저녁에 모여 오래된 방앗간의 미래에 대해 논의했지만 아무도 합의하지 못했다.",
            "ko",
        ),
        (
            "شورای شهر سه‌شنبه شب برای بحث درباره آینده آسیاب قدیمی تشکیل جلسه داد و هیچ‌کس به توافق نرسید.",
            "fa",
        ),
        ("Городской совет собрался во вторник вечером, чтобы обсудить будущее старой мельницы.", "ru"),
        (ENGLISH * 60, "en"),
    ],
)
def test_language(text: str, code: str) -> None:
    assert language(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "", "Hello there", "12345 67890 " * 20, "https://example.com/the/council/met/on/tuesday/evening " * 4,
        "John Smith, Mary Jones, Peter Brown, Wei Zhang, Ali Hassan, Maria Garcia, Ivan Petrov",
        "asdf qwer zxcv tyui ghjk bnm qwop lkjh gfds mnbv cxza poiu ytre wqas "
        "dfgh", ENGLISH[:51] + GERMAN[:50],
        ENGLISH * 6 + GERMAN * 6, "\ud800" * 80,
    ],
)  # fmt: skip
def test_null_rather_than_a_guess(text: str) -> None:
    assert language(text) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0), ("- – • |", 0), ("one", 1), ("Don't stop, well-known 3.5 items", 5), ("a\n\nb\tc", 3),
        ("l’été déjà", 2), ("水车小屋", 4), ("ひらがな word", 5), ("오래된 방앗간", 2), ("我有3个apple", 5),
        ("สวัสดีครับ", 2), ("Zahlen: 1.000, 2", 3),
    ],
)  # fmt: skip
def test_word_count(text: str, count: int) -> None:
    assert word_count(text) == count


def test_reading_time() -> None:
    assert reading_time_s(0) == 0
    assert reading_time_s(230) == 60
    assert reading_time_s(500, cjk=500) == 60
    assert reading_time_s(730, cjk=500) == 120
    assert cjk_characters("水车 mill かな") == 4


def test_the_model_is_loaded_only_when_needed() -> None:
    code = "import flows.extraction.language as l, sys, json; l.word_count('a b'); " \
           "l.language('hi');" \
           "print(json.dumps(list(sys.modules)))"  # fmt: skip
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert "py3langid" not in loaded
    assert "numpy" not in loaded
