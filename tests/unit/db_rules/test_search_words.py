"""Words without accents and case; and what is a part of a text's word is a part of its own words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.search_words import LONGEST, behind, longest_first, parts_of, sought, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("^^^", ()),
        ("Doe^John", ("doe", "john")),
        ("Müller-Lüdenscheidt^Jürgen^^Dr.", ("dr", "jurgen", "ludenscheidt", "muller")),
        ("O'Brien^Siobhán", ("brien", "o", "siobhan")),
        ("STRASSE straße", ("strasse",)),
        ("Nguyễn^Văn Đức", ("duc", "nguyen", "van")),
        ("Łukasz^Ø Æ", ("ae", "lukasz", "o")),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ("tarou", "yamada", "たろう", "やまた", "太郎", "山田")),
        ("İstanbul ISTANBUL", ("istanbul",)),
    ],
)
def test_words_are_without_accents_and_case(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_texts_have_their_words_together_once() -> None:
    assert words_of("Doe^John", "JOHN's chest") == ("chest", "doe", "john", "s")


names = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(names, st.integers(0, 40), st.integers(1, 40))
def test_what_stands_in_a_name_is_found_in_its_words(name: str, start: int, length: int) -> None:
    words = words_of(name)
    for variant in (name, name.casefold()):
        piece = variant[start : start + length]
        for part in sought(piece):
            assert any(part <= ending < behind(part) for word in words for ending in parts_of(word))


@given(st.text("ab", min_size=LONGEST + 1, max_size=5 * LONGEST), st.data())
def test_a_word_without_end_is_found_by_every_part_of_it(word: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(word) - 1))
    words = words_of(word)
    assert max(map(len, words)) == LONGEST
    (part,) = sought(word[start : start + 100])
    assert any(part in one for one in words)


def test_a_name_reads_alike_however_its_accents_are_written() -> None:
    assert words_of(unicodedata.normalize("NFD", "Zoë")) == words_of(unicodedata.normalize("NFC", "Zoë")) == ("zoe",)


def test_the_longest_part_says_most() -> None:
    assert longest_first(["b", "ab", "aa"]) == ["aa", "ab", "b"]
