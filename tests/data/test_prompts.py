from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import CLIPTokenizer

from lorabooth.data.photos import Photo, read_photos
from lorabooth.data.prompts import check_identifier, check_prompts, fill, instance_prompts, with_identifier
from lorabooth.errors import InputError


def photos(folder: Path, *names: str) -> tuple[Photo, ...]:
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / name)
    return read_photos(folder).photos


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """CLIP's tokenizer with the letters and three merges, so that `sks` and `dog` are one token each."""
    letters = string.ascii_lowercase + string.digits
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "sk", "sks</w>", "do", "dog</w>"]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=[("s", "k"), ("sk", "s</w>"), ("d", "o"), ("do", "g</w>")])


# --- instance_prompts -------------------------------------------------------------------------------------------------


def test_the_instance_prompt_for_all(tmp_path: Path) -> None:
    found = photos(tmp_path, "a.png", "b.png")
    assert instance_prompts(found, "prompt", "sks", "dog", "a photo of sks dog") == ("a photo of sks dog",) * 2
    assert instance_prompts(found, "prompt", "sks", "dog", "art of [identifier] dog") == ("art of sks dog",) * 2


def test_captions_beside_the_photos(tmp_path: Path) -> None:
    found = photos(tmp_path, "a.png", "b.v2.png", "été.png")
    (tmp_path / "a.txt").write_text("a dog on a sofa\nsecond line\n", encoding="utf-8")
    (tmp_path / "b.v2.txt").write_bytes(b"\xef\xbb\xbf\r\n  [identifier] dog, running  \r\n")
    (tmp_path / "été.txt").write_text("à la plage", encoding="utf-8")
    expected = ("a sks dog on a sofa", "sks dog, running", "sks dog, à la plage")
    assert instance_prompts(found, "txt", "sks", "dog", "unused") == expected


def test_missing_captions_are_all_named(tmp_path: Path) -> None:
    found = photos(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "b.txt").write_text(" \n\n")
    (tmp_path / "c.txt").write_text("a dog")
    with pytest.raises(InputError, match=r"2 of 3 photos .* have no caption: a\.txt, b\.txt \(empty\)\.") as fault:
        instance_prompts(found, "txt", "sks", "dog", "unused")
    assert "subject.captions=prompt" in fault.value.hint


def test_a_caption_in_another_encoding(tmp_path: Path) -> None:
    found = photos(tmp_path, "a.png")
    (tmp_path / "a.txt").write_bytes("à la plage".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.txt is not UTF-8"):
        instance_prompts(found, "txt", "sks", "dog", "unused")


def test_captions_from_names(tmp_path: Path) -> None:
    names = {
        "a-dog_on_a-sofa_02.png": "a sks dog on a sofa",
        "b sks dog (3).png": "b sks dog",
        "c dog  12 (1).png": "c sks dog",
        "d [identifier] dog.png": "d sks dog",
        "e running07.png": "sks dog, e running",
    }
    found = photos(tmp_path, *names)
    assert instance_prompts(found, "filename", "sks", "dog", "unused") == tuple(names.values())


def test_names_that_say_nothing(tmp_path: Path) -> None:
    found = photos(tmp_path, "00.png", "a dog.png", "IMG_1234.png", "DSC00012 (1).png")
    with pytest.raises(InputError, match=r"3 of 4 .* no caption: 00\.png, DSC00012 \(1\)\.png, IMG_1234\.png\."):
        instance_prompts(found, "filename", "sks", "dog", "unused")


# --- identifier and class noun in a caption ---------------------------------------------------------------------------


@pytest.mark.parametrize("placeholder", ["[identifier]", "[Identifier]", "[trigger]", "{SKS}", "{sks}", "TOK"])
def test_what_other_tools_write_for_the_identifier(placeholder: str) -> None:
    assert fill(f"a photo of {placeholder} dog, {placeholder}", "ohwx") == "a photo of ohwx dog, ohwx"


@pytest.mark.parametrize("text", ["TOKYO", "a tok", "STOK", "identifier", "[x]"])
def test_what_is_no_placeholder(text: str) -> None:
    assert fill(text, "ohwx") == text


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog on a sofa", "a sks dog on a sofa"),
        ("A Dog and a dog", "A sks Dog and a dog"),
        ("a photo of SKS dog", "a photo of sks dog"),
        ("hotdogs in the sun", "sks dog, hotdogs in the sun"),
        ("dog", "sks dog"),
        ("sks sleeping", "sks sleeping"),
        ("task sksy", "sks dog, task sksy"),
    ],
)
def test_with_identifier(caption: str, expected: str) -> None:
    assert with_identifier(caption, "sks", "dog") == expected


def test_a_class_noun_of_two_words_and_an_identifier_with_signs() -> None:
    assert with_identifier("the stuffed  animal (old)", r"\1+", "stuffed animal") == r"the \1+ stuffed  animal (old)"


@given(caption=st.text(max_size=40), noun=st.sampled_from(["dog", "stuffed animal"]))
def test_a_caption_has_the_identifier_and_is_left_alone_then(caption: str, noun: str) -> None:
    once = with_identifier(caption, "sks", noun)
    assert "sks" in once
    assert with_identifier(once, "sks", noun) == once


# --- checks -----------------------------------------------------------------------------------------------------------


def test_good_prompts_have_no_warnings() -> None:
    assert check_prompts(["a photo of sks dog"], "sks", "dog", "a photo of a dog") == []
    assert check_prompts(["a photo of [identifier] dog"], "sks", "dog") == []


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a photo of a dog", "lacks the identifier `sks`"),
        ("a photo of sksdog", "lacks the identifier `sks`"),
        ("a photo of sks", "lacks the class noun `dog`"),
        ("a photo of sks hotdog", "lacks the class noun `dog`"),
    ],
)
def test_a_prompt_that_lacks_a_part(prompt: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as fault:
        check_prompts([prompt], "sks", "dog")
    assert "a photo of sks dog" in fault.value.hint


def test_some_captions_without_the_class_noun_are_a_warning() -> None:
    prompts = ["sks dog on a sofa", "sks sleeping", "sks sleeping"]
    assert check_prompts(prompts, "sks", "dog") == ["The caption `sks sleeping` lacks the class noun `dog`."]


def test_the_class_prompt() -> None:
    with pytest.raises(InputError, match=r"class prompt .* holds the identifier"):
        check_prompts(["sks dog"], "sks", "dog", "a photo of sks dog")
    warnings = check_prompts(["sks dog"], "sks", "dog", "a photo of a cat")
    assert warnings == ["The class prompt `a photo of a cat` lacks the class noun `dog`."]


@pytest.mark.parametrize("check", ["prompts", "identifier"])
@pytest.mark.parametrize(
    ("identifier", "noun", "message"),
    [
        ("my dog", "dog", "without spaces"),
        ("sks ", "dog", "without spaces"),
        ("", "dog", "without spaces"),
        ("Dog", "dog", "are both"),
        ("sks", " ", "blank"),
    ],
)
def test_an_identifier_that_can_not_work(tokenizer: Any, check: str, identifier: str, noun: str, message: str) -> None:
    call = {
        "prompts": lambda: check_prompts([f"{identifier} {noun}"], identifier, noun),
        "identifier": lambda: check_identifier(identifier, tokenizer, noun),
    }[check]
    with pytest.raises(InputError, match=message):
        call()


def test_an_identifier_of_one_token(tokenizer: Any) -> None:
    assert check_identifier("sks", tokenizer, "dog") == []


def test_an_identifier_of_several_tokens(tokenizer: Any) -> None:
    (warning,) = check_identifier("skrex", tokenizer)
    assert "is 4 tokens for this model (`sk`, `r`, `e`, `x`)" in warning
    assert "subject.identifier=sks" in warning


def test_an_identifier_the_tokenizer_does_not_know(tokenizer: Any) -> None:
    with pytest.raises(InputError, match="does not know the identifier `é`"):
        check_identifier("é", tokenizer)
