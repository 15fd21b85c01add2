"""Packs are what we think they are; drawings become square sprites."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sprites.art import packs
from sprites.art.classes import STYLES, Drawing, drawings, stranger_nouns, world_classes
from sprites.art.packs import LABELS, PACKS, Pack
from sprites.art.selection import HELD, LEFT_OUT
from sprites.art.store import Art
from sprites.errors import RecipeError

PACK = PACKS["fx"]


def cached(folder: Path, pack: Pack, **changes: str) -> Path:
    metadata = {"name": pack.name, "version": pack.version, "license": pack.declared, **changes}
    (folder / pack.folder).mkdir(parents=True)
    (folder / pack.folder / "package.json").write_text(json.dumps(metadata))
    return folder


@pytest.mark.parametrize("pack", [*PACKS.values(), LABELS], ids=lambda pack: pack.name)
def test_a_checked_pack_is_taken_from_the_cache(tmp_path: Path, pack: Pack) -> None:
    assert packs.fetch(pack, cached(tmp_path, pack)) == tmp_path / pack.folder


@pytest.mark.parametrize(
    ("key", "value"), [("license", "CC-BY-SA-4.0"), ("version", "9.9.9"), ("name", "@somebody/else")]
)
def test_changed_metadata_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(RecipeError, match=f"{key} '{value}' where"):
        packs.fetch(PACK, cached(tmp_path, PACK, **{key: value}))


def test_a_pack_without_metadata_is_refused(tmp_path: Path) -> None:
    (tmp_path / PACK.folder).mkdir()
    with pytest.raises(RecipeError, match="has no package"):
        packs.fetch(PACK, tmp_path)


def test_missing_npm_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecipeError, match="npm is missing"):
        packs.fetch(PACK, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_failed_download_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="npm error network")

    monkeypatch.setattr(packs.subprocess, "run", fail)
    with pytest.raises(RecipeError, match="npm error network"):
        packs.fetch(PACK, tmp_path)


def test_every_style_has_a_pack_under_a_licence_that_allows_changes() -> None:
    assert tuple(PACKS) == STYLES
    assert {pack.licence for pack in PACKS.values()} <= {"MIT", "Apache-2.0", "CC-BY-4.0"}


def test_every_pack_is_credited() -> None:
    credited = (Path(packs.__file__).parents[1] / "LICENSES.md").read_text(encoding="utf-8")
    for pack in (*PACKS.values(), LABELS):
        assert f"[{pack.name}]" in credited
        assert f") {pack.version} " in credited
        assert pack.licence in credited


def test_tables_of_drawings_agree() -> None:
    everything = drawings()
    known = {(d.class_noun, d.code_point) for d in everything}
    assert all((class_noun, code_point) in known and style in STYLES for class_noun, code_point, style in HELD)
    assert all(class_noun in world_classes() and style in STYLES for class_noun, style in LEFT_OUT)
    assert not set(stranger_nouns()) & set(world_classes())
    assert len({(d.class_noun, d.code_point, d.is_accessory) for d in everything}) == len(everything)


def test_fit_centres_a_drawing_on_the_lower_margin() -> None:
    build = pytest.importorskip("sprites.art.build", reason="needs resvg_py")
    picture = Image.new("RGBA", (256, 256))
    picture.paste((200, 30, 30, 255), (40, 10, 140, 60))
    pixels = build.fit(picture)
    rows, columns = np.where(pixels[..., 3] > 128)
    assert pixels.shape == (128, 128, 4)
    assert (columns.min(), columns.max()) == (2, 125)
    assert rows.max() == 125
    assert rows.max() - rows.min() == pytest.approx(62, abs=1)
    assert build.fit(Image.new("RGBA", (256, 256))) is None


def test_collect_takes_every_style_that_has_the_drawing() -> None:
    build = pytest.importorskip("sprites.art.build", reason="needs resvg_py")

    class Source:
        def __init__(self, known: str) -> None:
            self.known = known

        def draw(self, code_point: str) -> Image.Image | None:
            return Image.new("RGBA", (64, 64), "red") if code_point == self.known else None

    sources = {style: Source("1f989" if style in ("3d", "eo") else "0") for style in STYLES}
    art = build.collect([Drawing("owl", "1f989", is_alive=True)], sources)
    assert [(s.style, s.is_held) for s in art.sprites] == [("3d", False), ("eo", True)]


def test_art_survives_the_disk(tmp_path: Path, art: Art) -> None:
    art.save(tmp_path / "art.npz")
    again = Art.load(tmp_path / "art.npz")
    assert again.sprites == art.sprites
    np.testing.assert_array_equal(again.pixels, art.pixels)


def test_missing_art_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="python -m sprites art"):
        Art.load(tmp_path / "art.npz")
