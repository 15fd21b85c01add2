from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import random
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, features

from lorabooth.data.photos import (
    WINDOWS,
    Augmentation,
    PhotoFolder,
    augmentation,
    augmentations,
    crop_box,
    pixels,
    read_photos,
    resize_and_crop,
    to_pixels,
)
from lorabooth.errors import InputError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112
DREAMBOOTH = Path(__file__).parents[3] / "shared" / "data" / "dreambooth"


def corners() -> Image.Image:
    """6 × 4, a colour in each corner: red, green / blue, white; grey between."""
    image = Image.new("RGB", (6, 4), (128, 128, 128))
    for place, colour in zip([(0, 0), (5, 0), (0, 3), (5, 3)], [RED, GREEN, BLUE, WHITE], strict=True):
        image.putpixel(place, colour)
    return image


def noise(width: int = 24, height: int = 16, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def only(folder: Path) -> Image.Image:
    """Pixels of the one photo in a folder of nothing else."""
    found = read_photos(folder)
    assert (len(found.photos), found.ignored) == (1, ())
    image = pixels(found.photos[0])
    assert image.mode == "RGB"
    assert image.size == (found.photos[0].width, found.photos[0].height)
    return image


def reasons(found: PhotoFolder) -> dict[str, str]:
    return {item.path.name: item.reason for item in found.ignored}


def names(found: PhotoFolder) -> list[str]:
    return [photo.path.name for photo in found.photos]


# --- what is read -----------------------------------------------------------------------------------------------------


def test_photos_come_in_natural_order_with_size_and_digest(tmp_path: Path) -> None:
    for number, name in enumerate(["IMG_10.png", "img_2.PNG", "Img_1.png", "über uns.png", "猫.png", "a b.png"]):
        noise(10 + number, 8, number).save(tmp_path / name)
    found = read_photos(tmp_path)
    assert names(found) == ["a b.png", "Img_1.png", "img_2.PNG", "IMG_10.png", "über uns.png", "猫.png"]
    assert found.ignored == ()
    first = found.photos[0]
    assert (first.width, first.height) == (15, 8)
    assert first.sha256 == hashlib.sha256((tmp_path / "a b.png").read_bytes()).hexdigest()
    assert pixels(first).tobytes() == noise(15, 8, 5).tobytes()


def test_a_single_image_file_is_a_folder_of_one(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        noise().save(tmp_path / name)
    assert names(read_photos(tmp_path / "two.png")) == ["two.png"]


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "jfif", "png", "webp", "bmp", "tif", "tiff", "gif", "avif"])
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    Image.new("RGB", (32, 24), (200, 40, 90)).save(tmp_path / f"photo.{suffix}")
    assert np.allclose(np.asarray(only(tmp_path)), (200, 40, 90), atol=6)


def test_the_content_decides_and_not_the_ending(tmp_path: Path) -> None:
    noise().save(tmp_path / "photo.jpg", format="PNG")
    assert only(tmp_path).tobytes() == noise().tobytes()


UPRIGHT = {
    1: (RED, GREEN, BLUE, WHITE),
    2: (GREEN, RED, WHITE, BLUE),
    3: (WHITE, BLUE, GREEN, RED),
    4: (BLUE, WHITE, RED, GREEN),
    5: (RED, BLUE, GREEN, WHITE),
    6: (BLUE, RED, WHITE, GREEN),
    7: (WHITE, GREEN, BLUE, RED),
    8: (GREEN, WHITE, RED, BLUE),
}
"""Corners left top, right top, left bottom, right bottom after each EXIF orientation (Exif 2.32, tag 0x0112)."""


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    corners().save(tmp_path / f"photo.{suffix}", exif=exif, lossless=True)
    image = only(tmp_path)
    assert image.size == ((6, 4) if orientation <= 4 else (4, 6))
    right, bottom = image.width - 1, image.height - 1
    found = [image.getpixel(place) for place in [(0, 0), (right, 0), (0, bottom), (right, bottom)]]
    assert tuple(found) == UPRIGHT[orientation]


def test_exif_orientation_of_a_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    corners().resize((48, 32), Image.Resampling.NEAREST).save(
        tmp_path / "photo.jpg", exif=exif, quality=95, subsampling=0
    )
    image = only(tmp_path)
    assert image.size == (32, 48)
    assert np.allclose(image.getpixel((3, 3)), BLUE, atol=30)
    assert np.allclose(image.getpixel((28, 3)), RED, atol=30)


# --- colours ----------------------------------------------------------------------------------------------------------


def test_transparency_becomes_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    image.putpixel((2, 0), (255, 0, 0, 128))
    image.save(tmp_path / "photo.png")
    assert list(only(tmp_path).get_flattened_data()) == [(0, 0, 0), WHITE, (255, 127, 127)]


def test_grey_with_alpha(tmp_path: Path) -> None:
    image = Image.new("LA", (2, 1), (10, 255))
    image.putpixel((1, 0), (10, 0))
    image.save(tmp_path / "photo.png")
    assert list(only(tmp_path).get_flattened_data()) == [(10, 10, 10), WHITE]


@pytest.mark.parametrize("transparency", [1, b"\xff\x00\xff"])
def test_palette_with_transparency(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "photo.png", transparency=transparency)
    assert list(only(tmp_path).get_flattened_data()) == [RED, WHITE, BLUE]


def test_colour_key_transparency(tmp_path: Path) -> None:
    corners().save(tmp_path / "photo.png", transparency=GREEN)
    image = only(tmp_path)
    assert (image.getpixel((0, 0)), image.getpixel((5, 0))) == (RED, WHITE)


@pytest.mark.parametrize(("mode", "value", "expected"), [("1", 1, 255), ("L", 77, 77)])
def test_grey_and_bilevel(tmp_path: Path, mode: str, value: int, expected: int) -> None:
    Image.new(mode, (2, 2), value).save(tmp_path / "photo.png")
    assert only(tmp_path).getpixel((1, 1)) == (expected,) * 3


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / f"photo.{suffix}", quality=95)
    assert np.allclose(np.asarray(only(tmp_path)), RED, atol=6)


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    frames[0].save(tmp_path / "photo.gif", save_all=True, append_images=frames[1:], duration=50)
    assert only(tmp_path).getpixel((4, 4)) == RED


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 257, 1000, 32896, 65535]], dtype=np.uint16)
    for suffix in ("png", "tiff"):
        folder = tmp_path / suffix
        folder.mkdir()
        Image.fromarray(values).save(folder / f"photo.{suffix}")
        assert np.asarray(only(folder))[0, :, 0].tolist() == [0, 1, 4, 128, 255]


def test_sixteen_bits_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    Image.fromarray(np.array([[0, 65535]], dtype=np.uint16)).save(tmp_path / "photo.png", exif=exif)
    assert np.asarray(only(tmp_path))[0, :, 0].tolist() == [255, 0]


def test_integers_of_32_bits(tmp_path: Path) -> None:
    for name, top in (("sixteen", 65535), ("full", 2**31 - 1)):
        (tmp_path / name).mkdir()
        Image.fromarray(np.array([[0, top // 2, top]], dtype=np.int32)).save(tmp_path / name / "photo.tiff")
        found = np.asarray(only(tmp_path / name))[0, :, 0]
        assert np.allclose(found, [0, 127.5, 255], atol=1)


def test_unsigned_integers_of_32_bits(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 2**31 - 1, -(2**31), -1]], dtype=np.int32)).save(file, "TIFF")
    signed, unsigned = (struct.pack("<HHIHH", 339, 3, 1, kind, 0) for kind in (2, 1))  # the tag SampleFormat
    assert signed in file.getvalue()
    (tmp_path / "photo.tiff").write_bytes(file.getvalue().replace(signed, unsigned))
    assert np.allclose(np.asarray(only(tmp_path))[0, :, 0], [0, 127.5, 127.5, 255], atol=1)


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floats(tmp_path: Path, top: float) -> None:
    values = np.array([[-0.01, 0, 0.2, 1, 1.1]], dtype=np.float32) * np.float32(top)
    Image.fromarray(values).save(tmp_path / "photo.tiff")
    assert np.asarray(only(tmp_path))[0, :, 2].tolist() == [0, 0, 51, 255, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_floats_without_a_meaning_are_ignored(tmp_path: Path, value: float) -> None:
    noise().save(tmp_path / "good.png")
    Image.fromarray(np.array([[0, value]], dtype=np.float32)).save(tmp_path / "photo.tiff")
    assert "expected 0…1" in reasons(read_photos(tmp_path))["photo.tiff"]


def test_an_embedded_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    text = "sRGB".encode("utf-16-be")  # the description, which tells that there is nothing to convert
    Image.new("RGB", (4, 4), RED).save(tmp_path / "photo.png", icc_profile=swapped.replace(text, text[::-1]))
    assert np.allclose(only(tmp_path).getpixel((0, 0)), GREEN, atol=3)


@pytest.mark.parametrize("profile", [b"no profile", b""])
def test_a_broken_profile_is_passed_over(tmp_path: Path, profile: bytes) -> None:
    corners().save(tmp_path / "photo.png", icc_profile=profile)
    assert only(tmp_path).tobytes() == corners().tobytes()


def test_pixels_of_srgb_are_untouched(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise().save(tmp_path / "photo.png", icc_profile=profile)
    assert only(tmp_path).tobytes() == noise().tobytes()


# --- what is left out, and why ----------------------------------------------------------------------------------------


def test_everything_left_out_has_a_reason(tmp_path: Path) -> None:
    noise().save(tmp_path / "good.jpg", quality=95)
    data = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "good.txt").write_text("a photo of [identifier] dog")
    (tmp_path / "copy.jpg").write_bytes(data)
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "fake.jpg").write_text("<html>404</html>")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "more").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "raw.cr2").write_bytes(b"x")
    (tmp_path / "README").write_text("x")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.png")
    found = read_photos(tmp_path)
    assert names(found) == ["copy.jpg"]
    expected = {
        "good.jpg": "the same photo as copy.jpg",
        "cut.jpg": "cut off",
        "empty.png": "empty (0 bytes)",
        "fake.jpg": "not an image",
        "gone.jpg": "link to nothing",
        "more": "sub-folder",
        "notes.txt": "without a photo",
        "raw.cr2": "not a photo (.cr2)",
        "README": "no file ending",
        ".DS_Store": "hidden",
        "pipe.png": "not a regular file",
    }
    given_reasons = reasons(found)
    assert given_reasons.keys() == expected.keys()
    assert dict.fromkeys(expected, True) == {name: part in given_reasons[name] for name, part in expected.items()}


def test_a_decompression_bomb_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(10, 10).save(tmp_path / "small.png")
    noise(15, 10).save(tmp_path / "large.png")  # over the limit at which Pillow warns, still a photo
    noise(30, 10).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 110)
    found = read_photos(tmp_path)
    assert names(found) == ["large.png", "small.png"]
    assert "make it smaller" in reasons(found)["bomb.png"]


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is not None, reason="pillow-heif is installed")
@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "converted.jpg"])
def test_heic_without_its_decoder_says_what_to_install(tmp_path: Path, name: str) -> None:
    noise().save(tmp_path / "good.png")
    (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    assert "pip install pillow-heif" in reasons(read_photos(tmp_path))[name]


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    corners().resize((96, 64), Image.Resampling.NEAREST).save(tmp_path / "photo.heic", quality=95, exif=exif.tobytes())
    image = only(tmp_path)
    assert image.size == (64, 96)
    assert np.allclose(image.getpixel((60, 3)), RED, atol=40)


def _encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image.save(file, kind, **({} if kind in {"BMP", "GIF"} else {"exif": exif}))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "AVIF"])
def test_damaged_files_never_stop_the_reading(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)  # a damaged size shall not cost a gigabyte
    noise().save(tmp_path / "a good one.png")
    whole, chance = _encoded(noise(9, 7, 1), kind), random.Random(kind)
    for number in range(150):
        data = bytearray(whole[: chance.randrange(1, len(whole) + 1)] if number % 3 == 0 else whole)
        for _ in range(chance.randrange(1, 12)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / f"{number}.{kind.lower()}").write_bytes(data)
    found = read_photos(tmp_path)
    assert len(found.photos) + len(found.ignored) == 151
    assert all(pixels(photo).mode == "RGB" for photo in found.photos)
    assert all(item.reason for item in found.ignored)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*nowhere") as fault:
        read_photos(tmp_path / "nowhere")
    assert "3–10 photos" in fault.value.hint


def test_a_file_that_is_no_photo(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"x")
    with pytest.raises(InputError, match="is a file, expected a folder"):
        read_photos(tmp_path / "photos.zip")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No usable photo .* it is empty"):
        read_photos(tmp_path)


def test_no_usable_photo_says_what_was_found(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="found 10 other things") as fault:
        read_photos(tmp_path)
    assert "0.jpg: not an image" in fault.value.message
    assert "and 2 more" in fault.value.message


def test_a_photo_that_changes_or_goes_after_it_was_read(tmp_path: Path) -> None:
    noise().save(tmp_path / "photo.png")
    photo = read_photos(tmp_path).photos[0]
    noise(seed=1).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match="was changed"):
        pixels(photo)
    (tmp_path / "photo.png").unlink()
    with pytest.raises(InputError, match="can't be read any more"):
        pixels(photo)


# --- resize, crop, tensors --------------------------------------------------------------------------------------------

sides = st.integers(1, 300)
part = st.floats(0, 1)


@given(width=sides, height=sides, size=st.integers(1, 96), x=part, y=part, flip=st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_picture_becomes_a_square(width: int, height: int, size: int, x: float, y: float, flip: bool) -> None:
    image = resize_and_crop(Image.new("RGB", (width, height), (7, 8, 9)), size, (x, y), flip)
    assert (image.size, image.mode) == ((size, size), "RGB")
    assert image.getextrema() == ((7, 7), (8, 8), (9, 9))


@given(width=sides, height=sides, x=part, y=part)
def test_the_window_is_the_largest_square_within(width: int, height: int, x: float, y: float) -> None:
    left, top, right, bottom = crop_box(width, height, (x, y))
    assert right - left == bottom - top == min(width, height)
    assert 0 <= left <= right <= width
    assert 0 <= top <= bottom <= height
    assert abs(left - x * (width - min(width, height))) <= 0.5
    assert abs(top - y * (height - min(width, height))) <= 0.5


def test_where_the_window_lies() -> None:
    image = Image.new("RGB", (90, 30), RED)
    image.paste(GREEN, (30, 0, 60, 30))
    image.paste(BLUE, (60, 0, 90, 30))
    assert [resize_and_crop(image, 30, (x, 0.3)).getpixel((15, 15)) for x in (0, 0.5, 1)] == [RED, GREEN, BLUE]
    tall = image.transpose(Image.Transpose.TRANSPOSE)
    assert [resize_and_crop(tall, 30, (0.3, y)).getpixel((15, 15)) for y in (0, 0.5, 1)] == [RED, GREEN, BLUE]


def test_a_picture_of_the_right_size_is_untouched() -> None:
    image = noise(64, 64)
    assert resize_and_crop(image, 64).tobytes() == image.tobytes()
    assert resize_and_crop(noise(65, 64), 64, (1, 0)).tobytes() == noise(65, 64).crop((1, 0, 65, 64)).tobytes()


def test_flip_mirrors_left_and_right() -> None:
    image = corners().crop((0, 0, 4, 4))
    assert resize_and_crop(image, 4, flip=True).getpixel((3, 0)) == RED


def test_it_equals_resizing_the_whole_and_cutting_then() -> None:
    image = noise(240, 160).resize((1200, 800), Image.Resampling.BICUBIC)
    whole = image.resize((96, 64), Image.Resampling.LANCZOS).crop((16, 0, 80, 64))
    difference = np.asarray(resize_and_crop(image, 64), np.float32) - np.asarray(whole, np.float32)
    assert np.abs(difference).mean() < 1
    assert np.abs(difference).max() < 12


@pytest.mark.parametrize("window", [(-0.1, 0.5), (0.5, 1.1), (float("nan"), 0.5)])
def test_a_window_outside_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="within 0…1"):
        resize_and_crop(noise(), 8, window)
    with pytest.raises(ValueError, match="size is 0"):
        resize_and_crop(noise(), 0)


def test_to_pixels() -> None:
    tensor = to_pixels(corners())
    assert (tensor.shape, tensor.dtype) == ((3, 4, 6), torch.float32)
    assert tensor.is_contiguous()
    assert tensor[:, 0, 0].tolist() == [1, -1, -1]
    assert tensor[:, 3, 0].tolist() == [-1, -1, 1]
    assert torch.allclose(tensor[:, 1, 1], torch.full((3,), 128 / 127.5 - 1), atol=1e-6)
    with pytest.raises(ValueError, match="mode is L"):
        to_pixels(corners().convert("L"))


# --- augmentation -----------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**63 - 1), position=st.integers(0, 2**40))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_augmentation_depends_on_seed_and_position_alone(seed: int, position: int) -> None:
    both = augmentation(seed, position, "random", True)
    torch.rand(3)  # the global generator takes no part
    augmentation(seed, position + 1, "random", True)
    assert augmentation(seed, position, "random", True) == both
    assert augmentation(seed, position, "random", False) == Augmentation(both.window, False)
    assert augmentation(seed, position, "center", True) == Augmentation((0.5, 0.5), both.flip)
    assert augmentation(seed, position, "center", False) == Augmentation()
    assert both in augmentations("random", True)


def test_all_windows_and_both_flips_come_equally_often() -> None:
    drawn = Counter(augmentation(3, position, "random", True) for position in range(3600))
    assert set(drawn) == set(augmentations("random", True))
    assert len(drawn) == 2 * len(WINDOWS) == 18
    assert all(140 < count < 260 for count in drawn.values())  # 200 expected, deviation 14
    assert len(augmentations("random", False)) == 9
    assert len(augmentations("center", True)) == 2
    assert augmentations("center", False) == (Augmentation(),)


# --- real photos ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not DREAMBOOTH.is_dir(), reason="the DreamBooth photos are not here")
def test_photos_of_the_dreambooth_paper() -> None:
    found = read_photos(DREAMBOOTH / "dog")
    assert len(found.photos) >= 3
    square = to_pixels(resize_and_crop(pixels(found.photos[0]), 64))
    assert square.shape == (3, 64, 64)
    assert square.std() > 0.1
