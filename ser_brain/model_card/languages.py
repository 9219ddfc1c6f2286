"""Languages: ISO 639-3 codes of manifests as the hub's filters and readers know them."""

from __future__ import annotations

# ISO 639-3: (ISO 639-1, English name). Those that corpora of emotional speech are known in; any
# other is written as its ISO 639-3 code, which the hub takes too.
LANGUAGES = {
    "amh": ("am", "Amharic"),
    "ara": ("ar", "Arabic"),
    "arb": ("ar", "Arabic"),
    "ben": ("bn", "Bengali"),
    "bul": ("bg", "Bulgarian"),
    "cat": ("ca", "Catalan"),
    "ces": ("cs", "Czech"),
    "cmn": ("zh", "Mandarin Chinese"),
    "dan": ("da", "Danish"),
    "deu": ("de", "German"),
    "ell": ("el", "Greek"),
    "eng": ("en", "English"),
    "est": ("et", "Estonian"),
    "eus": ("eu", "Basque"),
    "fas": ("fa", "Persian"),
    "fin": ("fi", "Finnish"),
    "fra": ("fr", "French"),
    "heb": ("he", "Hebrew"),
    "hin": ("hi", "Hindi"),
    "hrv": ("hr", "Croatian"),
    "hun": ("hu", "Hungarian"),
    "ind": ("id", "Indonesian"),
    "ita": ("it", "Italian"),
    "jpn": ("ja", "Japanese"),
    "kan": ("kn", "Kannada"),
    "kaz": ("kk", "Kazakh"),
    "kor": ("ko", "Korean"),
    "mal": ("ml", "Malayalam"),
    "mar": ("mr", "Marathi"),
    "nld": ("nl", "Dutch"),
    "nor": ("no", "Norwegian"),
    "pes": ("fa", "Persian"),
    "pol": ("pl", "Polish"),
    "por": ("pt", "Portuguese"),
    "ron": ("ro", "Romanian"),
    "rus": ("ru", "Russian"),
    "slk": ("sk", "Slovak"),
    "slv": ("sl", "Slovene"),
    "spa": ("es", "Spanish"),
    "srp": ("sr", "Serbian"),
    "swe": ("sv", "Swedish"),
    "tam": ("ta", "Tamil"),
    "tel": ("te", "Telugu"),
    "tha": ("th", "Thai"),
    "tur": ("tr", "Turkish"),
    "ukr": ("uk", "Ukrainian"),
    "urd": ("ur", "Urdu"),
    "vie": ("vi", "Vietnamese"),
    "yue": ("yue", "Cantonese"),
    "zho": ("zh", "Chinese"),
}
# ISO 639-3 for "undetermined".
UNDETERMINED = "und"


def hub_code(language: str) -> str:
    """The code that the hub files a language under.

    Examples
    --------
    >>> hub_code("deu"), hub_code("yor")
    ('de', 'yor')
    """
    return LANGUAGES.get(language, (language, ""))[0]


def language_name(language: str) -> str:
    """What a reader calls it.

    Examples
    --------
    >>> language_name("kor"), language_name("yor"), language_name("none")
    ('Korean', 'yor', 'not stated')
    """
    if language in ("none", UNDETERMINED):
        return "not stated"
    return LANGUAGES.get(language, ("", language))[1]
