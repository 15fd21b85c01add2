"""Grids: what stands where, to the pixel; and that no label is lost, cut or drawn over a picture."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lorabooth.errors import InputError, MachineError
from lorabooth.grid import Labels, draw_grid, fitted, layout, read_info, save_png
from lorabooth.grid.draw import MAT
from lorabooth.grid.text import MAX_LINES
from lorabooth.grid.typeface import Typeface, clean

PROMPT = "a photo of sks dog wearing a knitted hat, sitting on a wooden bench by the sea"
WHITE = (255, 255, 255)


def solid(colour, size=(64, 64)):
    return Image.new("RGB", size, colour)


def noise(size, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def sizes_of(cells):
    return [[picture.size if picture else None for picture in row] for row in cells]


def draw_with_plan(cells, cell_size=None, **words):
    """The picture, and the boxes that ``layout`` promises for it."""
    plan = layout(
        sizes_of(cells),
        Labels(words["row_labels"], words["column_labels"], **{k: v for k, v in words.items() if "labels" not in k}),
        cell_size,
    )
    return draw_grid(cells, cell_size=cell_size, **words), plan


def texts(plan, role):
    return [text for text in plan.texts if text.role == role]


def overlap(one, other):
    return one.left < other.right and other.left < one.right and one.top < other.bottom and other.top < one.bottom


def inside(box, size):
    return 0 <= box.left <= box.right <= size[0] and 0 <= box.top <= box.bottom <= size[1]


def stray_ink(page, plan):
    """Pixels that aren't white though no cell, text or rule is there."""
    ink = (np.asarray(page) != 255).any(axis=2)
    cells = [box for row in plan.cells for box in row]
    for left, top, right, bottom in [*cells, *plan.rules, *(text.box for text in plan.texts)]:
        ink[top - 1 : bottom + 1, left - 1 : right + 1] = False
    return int(ink.sum())


# Cells


def test_every_cell_is_found_where_the_layout_says():
    colours = [[(40 * row, 60 * column, 200) for column in range(4)] for row in range(3)]
    cells = [[solid(colour) for colour in row] for row in colours]
    page, plan = draw_with_plan(
        cells, row_labels=["1e-5", "1e-4", "1e-3"], column_labels=list("abcd"), row_title="rate", title="T"
    )
    assert page.size == plan.size
    for row, column in itertools.product(range(3), range(4)):
        box = plan.cells[row][column]
        assert box.size == (256, 256)
        assert page.crop(box).getcolors() == [(256 * 256, colours[row][column])]
    assert stray_ink(page, plan) == 0


def test_rows_and_columns_stand_in_reading_order():
    plan = layout([[(64, 64)] * 3] * 2, Labels(["a", "b"], ["x", "y", "z"]))
    assert len({box.top for box in plan.cells[0]}) == 1
    assert [box.left for box in plan.cells[0]] == sorted({box.left for box in plan.cells[0]})
    assert plan.cells[0][0].bottom < plan.cells[1][0].top


def test_small_pictures_are_enlarged_by_whole_pixels():
    sprite = noise((64, 64))
    page, plan = draw_with_plan([[sprite]], row_labels=["r"], column_labels=["c"])
    expected = np.asarray(sprite).repeat(4, axis=0).repeat(4, axis=1)
    assert np.array_equal(np.asarray(page.crop(plan.cells[0][0])), expected)


def test_large_pictures_are_shrunk_smoothly():
    photo = noise((512, 512))
    page, plan = draw_with_plan([[photo]], row_labels=["r"], column_labels=["c"])
    expected = photo.resize((256, 256), Image.Resampling.LANCZOS)
    assert np.array_equal(np.asarray(page.crop(plan.cells[0][0])), np.asarray(expected))


@pytest.mark.parametrize(
    ("size", "cell", "shown"),
    [
        ((64, 64), 256, (256, 256)),
        ((64, 64), 200, (192, 192)),
        ((64, 32), 256, (256, 128)),
        ((256, 256), 256, (256, 256)),
        ((257, 257), 256, (256, 256)),
        ((1024, 768), 256, (256, 192)),
        ((3000, 2), 256, (256, 1)),
    ],
)
def test_size_of_a_picture_in_its_cell(size, cell, shown):
    assert fitted(size, cell) == shown


def test_other_shapes_are_letterboxed():
    red = (200, 0, 0)
    cells = [[solid(red, (100, 200)), solid(red, (200, 100))]]
    page, plan = draw_with_plan(cells, row_labels=[""], column_labels=["", ""])
    upright, flat = plan.cells[0]
    assert upright.size == flat.size == (200, 200)
    assert page.crop(upright.centered((100, 200))).getcolors() == [(100 * 200, red)]
    assert page.getpixel((upright.left, upright.top)) == MAT
    assert page.getpixel((flat.left, flat.top)) == MAT
    assert page.crop(flat.centered((200, 100))).getcolors() == [(200 * 100, red)]


def test_pictures_of_one_shape_get_cells_of_that_shape():
    plan = layout([[(1024, 512), (1024, 512)]], Labels(["r"], ["a", "b"]))
    assert plan.cells[0][0].size == (256, 128)


def test_many_columns_get_smaller_cells():
    plan = layout([[(64, 64)] * 12], Labels(["r"], ["c"] * 12))
    assert plan.cells[0][0].size == (128, 128)


def test_a_missing_picture_is_hatched_with_a_dash_in_the_middle():
    page, plan = draw_with_plan([[solid((0, 0, 0)), None]], row_labels=["r"], column_labels=["a", "b"])
    box = plan.cells[0][1]
    shades = np.asarray(page.crop(box).convert("L"))
    assert shades[128, 128] < 120
    assert shades.min() < 120 < 220 < np.median(shades)
    assert len(np.unique(shades[10:100, 10:100])) > 2


def test_a_grid_without_any_picture_can_be_drawn():
    page, plan = draw_with_plan([[None, None]], row_labels=["r"], column_labels=["a", "b"])
    assert plan.cells[0][0].size == (256, 256)
    assert stray_ink(page, plan) == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"])
def test_every_mode_of_picture_is_drawn(mode):
    page, plan = draw_with_plan([[Image.new(mode, (8, 8))]], row_labels=["r"], column_labels=["c"])
    assert len(page.crop(plan.cells[0][0]).getcolors()) == 1


def test_transparency_shows_the_paper():
    page, plan = draw_with_plan([[Image.new("RGBA", (8, 8), (255, 0, 0, 0))]], row_labels=["r"], column_labels=["c"])
    assert page.crop(plan.cells[0][0]).getcolors() == [(256 * 256, WHITE)]


def test_the_same_input_gives_the_same_pixels():
    pages = [draw_grid([[noise((64, 64))]], row_labels=["rank 8"], column_labels=["seed 0"]) for _ in range(2)]
    assert pages[0].tobytes() == pages[1].tobytes()


# Labels


def test_each_label_puts_ink_in_its_own_box():
    words = {
        "row_labels": ["base model", "after"],
        "column_labels": ["a photo", "on a beach"],
        "title": "sks dog",
        "subtitle": "rank 8",
        "row_title": "model",
        "column_title": "prompt",
        "groups": [("seen", 1), ("new", 1)],
    }
    page, plan = draw_with_plan([[solid((9, 9, 9))] * 2] * 2, **words)
    assert len(plan.texts) == 11  # the column title stands in each group
    for text in plan.texts:
        assert np.asarray(page.crop(text.box).convert("L")).min() < 140, text.role
    assert stray_ink(page, plan) == 0


def test_another_label_changes_pixels_in_the_label_area_only():
    one, plan = draw_with_plan([[solid((9, 9, 9))] * 2], row_labels=["r"], column_labels=["aa", "bb"])
    other, _ = draw_with_plan([[solid((9, 9, 9))] * 2], row_labels=["r"], column_labels=["aa", "dd"])
    _, top, _, bottom = texts(plan, "column")[1].box
    changed = np.argwhere((np.asarray(one) != np.asarray(other)).any(axis=2))
    assert len(changed) > 0
    assert top <= changed[:, 0].min() <= changed[:, 0].max() < bottom
    assert changed[:, 1].min() >= plan.cells[0][1].left


def test_empty_labels_take_no_room():
    plan = layout([[(64, 64)]], Labels([""], [""]))
    assert plan.texts == ()
    left, top, right, bottom = plan.cells[0][0]
    assert (left, top) == (plan.size[0] - right, plan.size[1] - bottom)


@pytest.mark.parametrize("size", [64, 512])
def test_prompts_of_80_characters_are_shown_whole(size):
    cells = [[(size, size)] * 3] * 2
    plan = layout(cells, Labels([PROMPT, PROMPT], [PROMPT] * 3, title=PROMPT * 2))
    for text in [*texts(plan, "row"), *texts(plan, "column")]:
        assert len(text.block.lines) <= MAX_LINES
        assert " ".join(text.block.lines) == PROMPT
    assert " ".join(texts(plan, "title")[0].block.lines) == PROMPT * 2


def test_endless_labels_end_in_an_ellipsis():
    plan = layout([[(64, 64)]], Labels(["x" * 1000], [PROMPT * 9]))
    for text in plan.texts:
        assert len(text.block.lines) == MAX_LINES
        assert text.block.lines[-1].endswith("…")


def test_a_file_name_is_cut_at_its_signs_without_losing_any():
    name = "runs/2024-05-01_sks-dog_rank=16/checkpoints/step-000500/lora.safetensors"
    plan = layout([[(64, 64)]], Labels([""], [name]))
    assert "".join(texts(plan, "column")[0].block.lines) == name


def test_labels_of_rows_and_columns_have_one_size():
    plan = layout([[(64, 64)] * 2], Labels(["seed 0"], [PROMPT, "sks dog"]))
    assert len({text.block.font.size for text in plan.texts}) == 1


def test_a_line_break_in_a_label_is_kept():
    plan = layout([[(64, 64)]], Labels(["rank 8\nseed 0"], [""]))
    assert texts(plan, "row")[0].block.lines == ("rank 8", "seed 0")


# Groups


def test_a_group_has_its_name_over_a_rule_over_its_columns():
    _, plan = draw_with_plan(
        [[solid((9, 9, 9))] * 5],
        row_labels=["r"],
        column_labels=list("abcde"),
        groups=[("before training", 2), ("after", 3)],
    )
    row = plan.cells[0]
    assert [(rule.left, rule.right) for rule in plan.rules] == [
        (row[0].left, row[1].right),
        (row[2].left, row[4].right),
    ]
    for name, rule in zip(texts(plan, "group"), plan.rules, strict=True):
        assert name.box.bottom <= rule.top < rule.bottom <= texts(plan, "column")[0].box.top
        assert abs(name.box.left - rule.left - (rule.right - name.box.right)) <= 1
    assert row[2].left - row[1].right > row[1].left - row[0].right


def test_a_group_without_a_name_has_no_rule():
    plan = layout([[(64, 64)] * 3], Labels(["r"], list("abc"), groups=[("", 1), ("after", 2)]))
    assert len(plan.rules) == len(texts(plan, "group")) == 1


# Fonts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2 × 3 – λ → é", "2 x 3 - lambda -> e"),
        ("Straße, Ærø", "Strasse, AEro"),
        ("a 🐶", "a [dog face]"),
        ("rank 8 · 10°", "rank 8 · 10°"),
    ],
)
def test_pillows_own_font_gets_a_stand_in_for_what_it_lacks(text, shown):
    assert Typeface().readable(text) == shown


def test_invisible_characters_are_dropped():
    assert clean("  a\u200b\u00a0b\t\tc\ufe0f \r\n d\x07 ") == "a b c\nd"
    assert clean("lone \ud800") == "lone \ufffd"


# What doesn't fit together


@pytest.mark.parametrize(
    ("cells", "words", "message"),
    [
        ([], {"row_labels": [], "column_labels": ["a"]}, "at least one row"),
        ([[None]], {"row_labels": ["r"], "column_labels": ["a", "b"]}, "don't match labels for 1 × 2"),
        ([[None], []], {"row_labels": ["r", "s"], "column_labels": ["a"]}, r"Rows of \[1, 0\]"),
        ([[None]], {"row_labels": ["r"], "column_labels": ["a"], "groups": [("g", 2)]}, "add up to 1"),
        ([[None]], {"row_labels": ["r"], "column_labels": ["a"], "groups": [("g", 1), ("h", 0)]}, "at least 1"),
        ([[None]], {"row_labels": ["r"], "column_labels": ["a"], "cell_size": 0}, "at least 1 px"),
    ],
)
def test_labels_have_to_match_the_cells(cells, words, message):
    with pytest.raises(ValueError, match=message):
        draw_grid(cells, **words)


# Any grid

label = st.one_of(st.text(max_size=30), st.text("abc λ×é🐶犬_", max_size=200), st.just(PROMPT))
picture_size = st.one_of(st.none(), st.tuples(st.integers(1, 1500), st.integers(1, 1500)))


@st.composite
def grids(draw, sizes=picture_size):
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    cells = [[draw(sizes) for _ in range(columns)] for _ in range(rows)]
    split = draw(st.integers(0, columns - 1))
    named = st.lists(label, min_size=columns, max_size=columns)
    return cells, {
        "row_labels": draw(st.lists(label, min_size=rows, max_size=rows)),
        "column_labels": draw(named),
        "title": draw(label),
        "subtitle": draw(label),
        "row_title": draw(label),
        "column_title": draw(label),
        "cell_size": draw(st.one_of(st.none(), st.integers(1, 300))),
        "groups": [(draw(label), split), (draw(label), columns - split)] if split else [],
    }


@given(grids())
@settings(max_examples=100, deadline=None)
def test_in_any_grid_everything_lies_inside_and_apart(grid):
    sizes, words = grid
    cell_size = words.pop("cell_size")
    plan = layout(sizes, Labels(words.pop("row_labels"), words.pop("column_labels"), **words), cell_size)
    cells = [box for row in plan.cells for box in row]
    boxes = [*cells, *plan.rules, *(text.box for text in plan.texts)]
    assert len(cells) == len(sizes) * len(sizes[0])
    assert all(inside(box, plan.size) for box in boxes)
    assert not [pair for pair in itertools.combinations(boxes, 2) if overlap(*pair)]
    for size, box in zip(itertools.chain(*sizes), cells, strict=True):
        assert size is None or all(a <= b for a, b in zip(fitted(size, plan.cell), box.size, strict=True))


small_size = st.one_of(st.none(), st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(grids(small_size))
@settings(max_examples=25, deadline=None)
def test_any_grid_is_drawn_as_planned(grid):
    sizes, words = grid
    cells = [[size and solid((1, 2, 3), size) for size in row] for row in sizes]
    page, plan = draw_with_plan(cells, **words)
    assert page.size == plan.size
    assert stray_ink(page, plan) == 0
    for picture, box in zip(itertools.chain(*cells), itertools.chain(*plan.cells), strict=True):
        if picture:
            shown = fitted(picture.size, plan.cell)
            assert page.crop(box.centered(shown)).getcolors() == [(shown[0] * shown[1], (1, 2, 3))]


# PNG

keys = st.text(st.characters(min_codepoint=33, max_codepoint=255).filter(str.isprintable), min_size=1, max_size=79)


@given(st.dictionaries(keys, st.text(max_size=200), max_size=5))
@settings(max_examples=60, deadline=None)
def test_info_comes_back_from_the_file(tmp_path_factory, info):
    path = tmp_path_factory.mktemp("png") / "grid.png"
    save_png(solid((1, 2, 3), (2, 2)), path, info)
    assert read_info(path) == info
    assert Image.open(path).getpixel((0, 0)) == (1, 2, 3)


def test_text_beyond_latin_1_is_in_an_international_chunk(tmp_path):
    save_png(solid((0, 0, 0)), tmp_path / "a.png", {"prompt": "λ → 犬 🐶", "class": "dög"})
    data = (tmp_path / "a.png").read_bytes()
    assert data.count(b"iTXtprompt") == 1
    assert data.count(b"tEXtclass") == 1


def test_half_a_character_is_replaced(tmp_path):
    save_png(solid((0, 0, 0)), tmp_path / "a.png", {"prompt": "a \ud83d b"})
    assert read_info(tmp_path / "a.png") == {"prompt": "a ? b"}


def test_saving_replaces_the_old_file_and_leaves_nothing_else(tmp_path):
    for number in range(2):
        save_png(solid((number, 0, 0)), tmp_path / "new" / "a.png", {"number": str(number)})
    assert read_info(tmp_path / "new" / "a.png") == {"number": "1"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


@pytest.mark.parametrize("key", ["", "k" * 80, "λ", "a\nb", "a\0b"])
def test_a_key_has_to_fit_the_format(tmp_path, key):
    with pytest.raises(ValueError, match="1 to 79 printable Latin-1"):
        save_png(solid((0, 0, 0)), tmp_path / "a.png", {key: "v"})
    assert not list(tmp_path.iterdir())


def test_a_path_that_cant_be_written_is_said(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(MachineError, match="could not be written"):
        save_png(solid((0, 0, 0)), tmp_path / "a.png", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("content", [None, b"", b"GIF89a", b"truncated"])
def test_what_isnt_a_png_is_said(tmp_path, content):
    path = tmp_path / "a.png"
    if content == b"truncated":
        save_png(noise((64, 64)), path, {"a": "b"})
        path.write_bytes(path.read_bytes()[:200])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png"):
        read_info(path)
