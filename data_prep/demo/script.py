"""The script of the demo corpus: sentences, speakers, recording lists.

The sentences are about everyday things and express no feeling. A speaker reads each of its
sentences once in every emotion, so the words do not reveal the label.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

EMOTIONS = {"ang": "anger", "hap": "happiness", "sad": "sadness", "neu": "neutral"}
SENTENCES_A_SPEAKER = 6

# eSpeak's name of a language's dictionary, and its accents, which speakers get in turn.
DICTIONARIES = {"eng": "en", "deu": "de", "fas": "fa"}
ACCENTS = {
    "eng": ("en-us", "en", "en-gb-x-rp", "en-us", "en-gb-scotland"),
    "deu": ("de",),
    "fas": ("fa",),
}

# Variants of eSpeak NG that clip, whisper or sound like robots are excluded. A variant in two
# languages is a different speaker in each, with another vocal tract and pitch.
FEMALE = {
    "eng": "f1 f2 f3 f4 f5 Annie belinda linda shelby steph grandma aunty Andrea".split(),
    "deu": "f1 f5 Alicia linda steph anika".split(),
    "fas": "f2 f3 Annie belinda aunty shelby".split(),
}
MALE = {
    "eng": "m1 m2 m3 m4 m5 m7 Alex Lee Reed boris edward michel max".split(),
    "deu": "m1 m6 Denis miguel norbert kaukovalta".split(),
    "fas": "m3 m8 Henrique adam Reed victor".split(),
}


@dataclass(frozen=True)
class Speaker:
    """A voice: an accent and a variant of eSpeak's."""

    language: str
    number: int
    gender: str
    voice: str

    @property
    def name(self) -> str:
        return f"{self.language}_s{self.number:02d}"


@dataclass(frozen=True)
class Clip:
    """One reading: who, what (number from 1 in ``SENTENCES``) and in which emotion."""

    speaker: Speaker
    sentence: int
    code: str

    @property
    def text(self) -> str:
        return f"{self.speaker.language}_t{self.sentence:02d}"

    @property
    def name(self) -> str:
        return f"{self.speaker.name}_t{self.sentence:02d}_{self.code}"

    @property
    def phrases(self) -> tuple[str, str]:
        return SENTENCES[self.speaker.language][self.sentence - 1]


def speakers() -> list[Speaker]:
    """All voices, by language, women and men alternating."""
    found = []
    for language, accents in ACCENTS.items():
        number = 0
        for pair in zip(FEMALE[language], MALE[language], strict=True):
            for gender, variant in zip(("female", "male"), pair, strict=True):
                voice = f"{accents[number % len(accents)]}+{variant}"
                number += 1
                found.append(Speaker(language, number, gender, voice))
    return found


def clips(seed: int) -> list[Clip]:
    """Every reading of the corpus, in order.

    The seed decides which speaker gets which sentences; all are read about equally often.
    """
    found = []
    for language in ACCENTS:
        deck: list[int] = []
        order = random.Random(f"{seed} {language}")
        for speaker in (s for s in speakers() if s.language == language):
            if len(deck) < SENTENCES_A_SPEAKER:
                deck = list(range(1, len(SENTENCES[language]) + 1))
                order.shuffle(deck)
            dealt, deck = deck[:SENTENCES_A_SPEAKER], deck[SENTENCES_A_SPEAKER:]
            found += [Clip(speaker, n, code) for n in sorted(dealt) for code in EMOTIONS]
    return found


# Two phrases each, with a pause between them.
SENTENCES = {
    "eng": (
        ("The tickets are on the table", "next to the lamp"),
        ("On Monday morning", "the bus leaves at eight"),
        ("The blue folder", "is in the second drawer"),
        ("After the meeting", "we walked to the station"),
        ("He put the bread", "in the kitchen cupboard"),
        ("The window on the left", "looks onto the street"),
        ("She wrote the address", "on a sheet of paper"),
        ("At the corner", "there is a small bakery"),
        ("They painted the fence", "in the early afternoon"),
        ("The second floor", "has four large rooms"),
        ("In about an hour", "the train will arrive"),
        ("The keys are hanging", "behind the front door"),
        ("My neighbour works", "in the city library"),
        ("The parcel was sent", "to the other office"),
        ("Every Thursday", "the market opens at nine"),
        ("He is carrying the boxes", "up to the third floor"),
        ("The recipe needs", "two cups of flour"),
        ("Between the two houses", "there is a narrow path"),
        ("She is reading the list", "from top to bottom"),
        ("The new calendar", "hangs next to the clock"),
        ("Before lunch", "they moved the chairs outside"),
        ("The river runs", "along the eastern road"),
        ("He turned the page", "and read the next line"),
        ("The coat on the chair", "belongs to my brother"),
    ),
    "deu": (
        ("Die Fahrkarten liegen auf dem Tisch", "neben der Lampe"),
        ("Am Montagmorgen", "fährt der Bus um acht"),
        ("Der blaue Ordner", "steht im zweiten Regal"),
        ("Nach der Sitzung", "gingen wir zum Bahnhof"),
        ("Er legt das Brot", "in den Küchenschrank"),
        ("Das linke Fenster", "geht zur Straße hinaus"),
        ("Sie schrieb die Adresse", "auf ein Blatt Papier"),
        ("An der Ecke", "gibt es eine kleine Bäckerei"),
        ("Sie strichen den Zaun", "am frühen Nachmittag"),
        ("Der zweite Stock", "hat vier große Zimmer"),
        ("In etwa einer Stunde", "kommt der Zug an"),
        ("Die Schlüssel hängen", "hinter der Haustür"),
        ("Mein Nachbar arbeitet", "in der Stadtbücherei"),
        ("Das Paket ging", "an das andere Büro"),
        ("Jeden Donnerstag", "öffnet der Markt um neun"),
        ("Er trägt die Kisten", "in den dritten Stock"),
        ("Für das Rezept", "braucht man zwei Tassen Mehl"),
        ("Zwischen den beiden Häusern", "liegt ein schmaler Weg"),
        ("Sie liest die Liste", "von oben nach unten"),
        ("Der neue Kalender", "hängt neben der Uhr"),
        ("Vor dem Mittagessen", "stellten sie die Stühle hinaus"),
        ("Der Fluss verläuft", "entlang der östlichen Straße"),
        ("Er blätterte um", "und las die nächste Zeile"),
        ("Der Mantel auf dem Stuhl", "gehört meinem Bruder"),
    ),
    "fas": (
        ("بلیت‌ها روی میز است", "کنار چراغ"),
        ("صبح دوشنبه", "اتوبوس ساعت هشت می‌رود"),
        ("پوشه‌ی آبی", "در کشوی دوم است"),
        ("بعد از جلسه", "تا ایستگاه پیاده رفتیم"),
        ("او نان را", "در کابینت آشپزخانه گذاشت"),
        ("پنجره‌ی سمت چپ", "رو به خیابان است"),
        ("نشانی را", "روی یک برگ کاغذ نوشت"),
        ("سر کوچه", "یک نانوایی کوچک هست"),
        ("آن‌ها بعدازظهر", "نرده‌ها را رنگ زدند"),
        ("طبقه‌ی دوم", "چهار اتاق بزرگ دارد"),
        ("حدود یک ساعت دیگر", "قطار می‌رسد"),
        ("کلیدها", "پشت در آویزان است"),
        ("همسایه‌ی من", "در کتابخانه‌ی شهر کار می‌کند"),
        ("بسته را", "به دفتر دیگر فرستادند"),
        ("هر پنجشنبه", "بازار ساعت ده باز می‌شود"),
        ("او جعبه‌ها را", "به طبقه‌ی سوم می‌برد"),
        ("برای این غذا", "دو پیمانه آرد لازم است"),
        ("بین دو خانه", "یک راه باریک هست"),
        ("او فهرست را", "از بالا تا پایین می‌خواند"),
        ("تقویم تازه", "کنار ساعت آویزان است"),
        ("پیش از ناهار", "صندلی‌ها را بیرون بردند"),
        ("رودخانه", "از کنار جاده‌ی شرقی می‌گذرد"),
        ("او ورق زد", "و سطر بعد را خواند"),
        ("کت روی صندلی", "مال برادر من است"),
    ),
}
