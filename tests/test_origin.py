"""The origin's files: each parameter has its equal, trailing commas are read as meant, faults are sentences."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorabooth.config import build, option_names
from lorabooth.errors import InputError
from lorabooth.origin import OriginInference, read_args, read_inference
from lorabooth.origin.flags import FLAGS
from lorabooth.origin.reading import without_trailing_commas
from lorabooth.origin.subject import split_prompt
from lorabooth.origin.tables import flags_table, inference_table

DATA = Path(__file__).parent / "data_origin"
DOCS = Path(__file__).parents[1] / "docs" / "origin.md"
PROPOSED: set[str] = set()  # equals that config.py does not have yet

# What train.py writes beside a checkpoint: all 53 flags of its parser, in its order.
WHOLE: dict[str, Any] = {
    "pretrained_model_name_or_path": "some/model",
    "revision": "main",
    "tokenizer_name": "some/tokenizer",
    "instance_data_dir": "in",
    "class_data_dir": "classes",
    "instance_prompt": "a photo of sks dog",
    "class_prompt": "a photo of a dog",
    "save_sample_prompt": "sks dog // sks dog swimming",
    "save_sample_negative_prompt": "blurry",
    "n_save_sample": 3,
    "save_interval": 500,
    "save_min_steps": 0,
    "save_guidance_scale": 6.0,
    "save_infer_steps": 40,
    "with_prior_preservation": True,
    "prior_loss_weight": 0.5,
    "num_class_images": 50,
    "output_dir": "out",
    "seed": 7,
    "resolution": 256,
    "augment_center_crop": False,
    "augment_hflip": True,
    "train_text_encoder": True,
    "train_batch_size": 2,
    "sample_batch_size": 3,
    "num_train_epochs": 9,
    "max_train_steps": 800,
    "gradient_accumulation_steps": 5,
    "gradient_checkpointing": True,
    "learning_rate": 2e-4,
    "learning_rate_text": 3e-5,
    "scale_lr": True,
    "lr_scheduler": "cosine_with_restarts",
    "lr_warmup_steps": 60,
    "lr_cosine_num_cycles": 4.0,
    "use_ema": True,
    "ema_inv_gamma": 2.0,
    "ema_power": 0.5,
    "ema_min_value": 0.1,
    "ema_max_value": 0.99,
    "use_8bit_adam": True,
    "adam_beta1": 0.8,
    "adam_beta2": 0.99,
    "adam_weight_decay": 0.02,
    "adam_epsilon": 1e-7,
    "max_grad_norm": 0.7,
    "hub_token": "secret-token",
    "hub_model_id": "me/model",
    "logging_dir": "logs",
    "log_gpu": True,
    "mixed_precision": "bf16",
    "lora_rank": 6,
    "local_rank": 0,
}

WHOLE_VALUES: dict[str, Any] = {
    "model": {"base": "some/model", "revision": "main"},
    "subject": {
        "identifier": "sks",
        "class_noun": "dog",
        "photos": "in",
        "instance_prompt": "a photo of sks dog",
        "crop": "random",
        "flip": True,
    },
    "prior": {"folder": "classes", "prompt": "a photo of a dog", "weight": 0.5, "images": 50, "batch_size": 3},
    "sampling": {
        "prompts": ["sks dog", "sks dog swimming"],
        "negative_prompt": "blurry",
        "seeds": [7, 8, 9],
        "guidance_scale": 6.0,
        "steps": 40,
    },
    "output": {"checkpoint_every": 500, "folder": "out"},
    "training": {
        "seed": 7,
        "resolution": 256,
        "batch_size": 2,
        "steps": 800,
        "gradient_accumulation": 5,
        "gradient_checkpointing": True,
        "precision": "bf16",
    },
    "lora": {"text_encoder": True, "rank": 6},
    "optimizer": {
        "learning_rate": 2e-4,
        "text_encoder_learning_rate": 3e-5,
        "scale_learning_rate": False,
        "schedule": "cosine_with_restarts",
        "warmup_steps": 60,
        "cycles": 4.0,
        "name": "adamw8bit",
        "beta1": 0.8,
        "beta2": 0.99,
        "weight_decay": 0.02,
        "epsilon": 1e-7,
        "max_grad_norm": 0.7,
    },
    "ema": {"enabled": True, "inv_gamma": 2.0, "power": 0.5, "min_value": 0.1, "max_value": 0.99},
}

PARSER_FLAGS = list(WHOLE)

INFERENCE: dict[str, Any] = {
    "tag": "ZMasiqkP",
    "prompt": ["sks penguin", "close-up {SKS} penguin"],
    "negative_prompt": [""],
    "num_prompts": 2,
    "num_samples": 1,
    "seeds": [2000000],
    "height": 512,
    "width": 768,
    "inference_steps": 50,
    "guidance_scale": [7.5],
}


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def translated(tmp_path: Path, photo_count: int | None = None, **parameters: Any) -> dict[str, Any]:
    return read_args(
        written(tmp_path, {"max_train_steps": 10, "pretrained_model_name_or_path": "some/model"} | parameters),
        photo_count,
    ).values


# The two published files


@pytest.mark.parametrize(
    ("name", "rank", "text_rate", "flip"), [("args", 4, 5e-5, False), ("final_args", 6, 1e-5, True)]
)
def test_published_file_loads_as_it_is(name: str, rank: int, text_rate: float, flip: bool) -> None:
    config = build(read_args(DATA / f"{name}.json").values)
    assert (config.lora.rank, config.lora.text_encoder) == (rank, True)
    assert (config.subject.identifier, config.subject.class_noun) == ("sks", "penguin")
    assert (config.subject.prompt, config.class_prompt) == ("sks penguin", "penguin")
    assert (config.subject.crop, config.subject.flip) == ("center", flip)
    assert (config.prior.weight, config.prior.images, config.prior.batch_size) == (1.0, 100, 1)
    assert (config.optimizer.learning_rate, config.optimizer.text_encoder_learning_rate) == (1e-4, text_rate)
    assert (config.optimizer.name, config.optimizer.schedule, config.optimizer.warmup_steps) == (
        "adamw8bit",
        "constant",
        50,
    )
    assert (config.training.steps, config.training.seed, config.training.resolution) == (1000, 2000000, 512)
    assert (config.training.precision, config.training.batch_size) == ("fp16", 1)


def test_second_published_file_is_no_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads((DATA / "final_args.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["args", "final_args"])
def test_each_value_of_a_published_file_arrives(name: str) -> None:
    named = json.loads(without_trailing_commas((DATA / f"{name}.json").read_text(encoding="utf-8")))
    values = read_args(DATA / f"{name}.json").values
    assert set(named) <= set(FLAGS)
    plain = {key: FLAGS[key].option for key in named if isinstance(named[key], (int, float)) and FLAGS[key].option}
    for key in plain.keys() - {"with_prior_preservation", "augment_center_crop", "use_8bit_adam", "num_train_epochs"}:
        section, _, option = plain[key].partition(".")
        assert values[section][option] == named[key], key


def test_published_file_notes_what_a_user_should_know() -> None:
    notes = "\n".join(read_args(DATA / "args.json").notes)
    for name in (
        "pretrained_model_name_or_path",
        "num_train_epochs",
        "lr_warmup_steps",
        "log_gpu",
        "subject.identifier",
    ):
        assert name in notes
    assert "not in the file" not in notes


# The table


def test_each_parser_flag_has_a_row() -> None:
    assert len(PARSER_FLAGS) == 53
    assert list(FLAGS) == PARSER_FLAGS


def test_each_row_has_an_equal_or_a_reason() -> None:
    known = option_names().keys() | PROPOSED
    for name, flag in FLAGS.items():
        assert flag.option in known if flag.option else flag.remark, name


def test_whole_file_is_translated_and_builds(tmp_path: Path) -> None:
    values = read_args(written(tmp_path, WHOLE)).values
    assert values == WHOLE_VALUES
    build(values)


def test_parameters_without_equal_are_noted_and_secrets_are_not(tmp_path: Path) -> None:
    notes = "\n".join(read_args(written(tmp_path, WHOLE)).notes)
    for name in (name for name, flag in FLAGS.items() if not flag.option):
        assert f"{name}: no option needed" in notes
    assert "secret-token" not in notes


def test_null_is_not_given(tmp_path: Path) -> None:
    empty = read_args(written(tmp_path, dict.fromkeys(PARSER_FLAGS)), photo_count=5)
    assert empty == read_args(written(tmp_path, {}), photo_count=5)
    build(empty.values)


def test_not_given_is_the_default_of_the_origin_where_it_decides_the_weights(tmp_path: Path) -> None:
    config = build(translated(tmp_path))
    assert (config.lora.rank, config.training.batch_size, config.training.resolution) == (4, 4, 512)
    assert (config.optimizer.learning_rate, config.optimizer.text_encoder_learning_rate) == (5e-6, 5e-6)
    assert (config.prior.weight, config.subject.crop, config.optimizer.warmup_steps) == (0, "random", 0)
    (note,) = (note for note in read_args(written(tmp_path, {"max_train_steps": 9})).notes if "not in the file" in note)
    assert "learning_rate=5e-06" in note
    assert "num_train_epochs" not in note


def test_docs_show_the_tables() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert flags_table() in page
    assert inference_table() in page
    assert page.count("\n| ") == len(FLAGS) + 12 + 2


def test_options_to_type_in_docs_and_remarks_exist() -> None:
    texts = [DOCS.read_text(encoding="utf-8"), *(flag.remark for flag in FLAGS.values())]
    options = [option for text in texts for option in re.findall(r"`(\w+\.\w+=[^`]+)`", text)]
    assert len(options) == 7
    build({}, options)


# Single parameters


def test_without_prior_preservation_the_weight_is_zero(tmp_path: Path) -> None:
    values = translated(tmp_path, with_prior_preservation=False, prior_loss_weight=0.5)
    assert values["prior"]["weight"] == 0


@pytest.mark.parametrize(("theirs", "ours"), [("no", "fp32"), ("fp16", "fp16"), ("bf16", "bf16")])
def test_precision(tmp_path: Path, theirs: str, ours: str) -> None:
    assert build(translated(tmp_path, mixed_precision=theirs)).training.precision == ours


@pytest.mark.parametrize(
    "schedule", ["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"]
)
def test_schedules(tmp_path: Path, schedule: str) -> None:
    optimizer = build(translated(tmp_path, lr_scheduler=schedule)).optimizer
    assert optimizer.schedule == schedule.removesuffix("_with_warmup")
    assert optimizer.warmup_steps == (0 if schedule == "constant" else 500)


def test_cosine_takes_no_cycles(tmp_path: Path) -> None:
    assert "cycles" not in translated(tmp_path, lr_scheduler="cosine", lr_cosine_num_cycles=5.0)["optimizer"]


def test_first_checkpoint(tmp_path: Path) -> None:
    assert translated(tmp_path, save_min_steps=500)["output"] == {"checkpoint_from": 500}


@pytest.mark.parametrize("text", ["", " // ", "None"])
def test_no_sample_prompt(tmp_path: Path, text: str) -> None:
    assert "sampling" not in translated(tmp_path, save_sample_prompt=text)


@pytest.mark.parametrize(
    ("parameters", "steps"),
    [
        ({"num_train_epochs": 10, "train_batch_size": 1}, 50),
        ({"num_train_epochs": 10, "train_batch_size": 2}, 30),
        ({"num_train_epochs": 10, "train_batch_size": 1, "gradient_accumulation_steps": 2}, 30),
        # 10 epochs of 100 class images: the 1000 steps of the published files
        ({"num_train_epochs": 10, "train_batch_size": 1, "with_prior_preservation": True}, 1000),
        ({"num_train_epochs": 2, "train_batch_size": 1, "with_prior_preservation": True, "num_class_images": 3}, 10),
    ],
)
def test_epochs_become_steps(tmp_path: Path, parameters: dict[str, Any], steps: int) -> None:
    assert translated(tmp_path, 5, max_train_steps=None, **parameters)["training"]["steps"] == steps


def test_epochs_need_the_number_of_photos(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="number of photos"):
        translated(tmp_path, max_train_steps=None, num_train_epochs=10)


@pytest.mark.parametrize(
    ("instance", "klass", "identifier", "noun"),
    [
        ("sks penguin", "penguin", "sks", "penguin"),
        ("a photo of sks dog", "a photo of a dog", "sks", "dog"),
        ("a photo of sks dog", "dog", "sks", "dog"),
        ("a photo of sks french bulldog", "a french bulldog", "sks", "french bulldog"),
        ("a zwx v1 dog in the park", "a dog in the park", "zwx v1", "dog"),
        ("photo of olis person, studio", "photo of person, studio", "olis", "person"),
        ("dog sks", "dog", "sks", "dog"),
        ("a painting in the style of sks", "a painting", "sks", "painting"),
        ("a photo of sks cat", "a photo of an animal", "sks", "animal"),
        ("a photo of sks dog", "", "sks", "dog"),
        ("sks", "", "sks", ""),
        ("penguin", "penguin", "", "penguin"),
        ("", "", "", ""),
    ],
)
def test_identifier_and_noun(instance: str, klass: str, identifier: str, noun: str) -> None:
    assert split_prompt(instance, klass) == (identifier, noun)


@given(st.text(), st.text())
def test_any_prompts_give_a_subject(instance: str, klass: str) -> None:
    for text in split_prompt(instance, klass):
        assert text == " ".join(text.split())
        assert set(text.split()) <= {word.strip(",") for word in (instance + " " + klass).split()} | {
            *instance.split(),
            *klass.split(),
        }


def test_placeholder_becomes_the_identifier(tmp_path: Path) -> None:
    path = written(tmp_path, {"max_train_steps": 1, "instance_prompt": "{SKS} dog", "class_prompt": "dog"})
    subject = read_args(path, identifier="zwx").values["subject"]
    assert (subject["identifier"], subject["instance_prompt"]) == ("zwx", "zwx dog")


# Trailing commas

KEYS = st.text() | st.sampled_from([",}", ",]", '",}', "\\", '\\",]', "[,", "{,"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def with_commas(value: Any, space: str) -> str:
    """JSON with a trailing comma in every list and object that isn't empty."""
    if isinstance(value, dict) and value:
        items = [f"{json.dumps(key)}: {with_commas(item, space)}" for key, item in value.items()]
        return f"{{{', '.join(items)},{space}}}"
    if isinstance(value, list) and value:
        return f"[{', '.join(with_commas(item, space) for item in value)},{space}]"
    return json.dumps(value, ensure_ascii=False)


@given(JSON, st.sampled_from(["", " ", "\n", "\r\n\t "]))
def test_trailing_commas_are_dropped_and_strings_stay(value: Any, space: str) -> None:
    assert json.loads(without_trailing_commas(with_commas(value, space))) == value


@given(JSON, st.sampled_from([None, 2]))
def test_valid_json_stays_as_it_is(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert without_trailing_commas(text) == text


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        path.write_text(text, encoding="utf-8", errors="replace")
        with pytest.raises(InputError):
            read_inference(path)


# Faults


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{,}", "not JSON"),
        ('{"seed": 1,,}', "not JSON"),
        ('{"seed": 1 // one\n}', "not JSON"),
        ('{"prior_loss_weight": NaN}', "NaN is no JSON number"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "holds list"),
        ("null", "holds NoneType"),
        ({"lora_rnk": 4}, "Did you mean `lora_rank`"),
        ({"qqqqqq": 4}, "unknown parameter `qqqqqq`.$"),
        ({"lora_rank": "4"}, "`lora_rank` is '4', expected a whole number"),
        ({"lora_rank": 4.5}, "expected a whole number"),
        ({"seed": True}, "expected a whole number"),
        ({"use_ema": 1}, "expected true or false"),
        ({"instance_prompt": ["a"]}, "expected text"),
        ('{"learning_rate": 1e999}', "expected a number"),
        ('{"learning_rate": 1' + "0" * 400 + "}", "expected a number"),
        ({"n_save_sample": 0, "max_train_steps": 1}, "expected 1 to 1000"),
    ],
)
def test_faulty_file_is_refused(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_args(written(tmp_path, content))


def test_all_faults_at_once_and_no_secret(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_args(written(tmp_path, {"lora_rnk": 4, "seed": "x", "hub_token": ["secret-token"]}))
    assert all(name in caught.value.message for name in ("lora_rnk", "seed", "hub_token"))
    assert "secret-token" not in caught.value.message


def test_value_out_of_range_is_refused_by_the_config(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`training\.precision` is 'fp8'"):
        build(translated(tmp_path, mixed_precision="fp8"))
    with pytest.raises(InputError, match=r"`lora\.rank` is 0"):
        build(translated(tmp_path, lora_rank=0))


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read_args(tmp_path / "nothing.json")
    with pytest.raises(InputError, match="can't be read"):
        read_args(tmp_path)
    (tmp_path / "latin.json").write_bytes(b'{"instance_prompt": "caf\xe9"}')
    with pytest.raises(InputError, match="not JSON"):
        read_args(tmp_path / "latin.json")


def test_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"max_train_steps": 3,}')
    assert read_args(tmp_path / "bom.json").values["training"]["steps"] == 3


# The inference configuration


def test_inference_configuration(tmp_path: Path) -> None:
    assert read_inference(written(tmp_path, INFERENCE)) == OriginInference(
        prompts=("sks penguin", "close-up sks penguin"),
        negative_prompt="",
        seeds=(2000000,),
        steps=50,
        guidance_scales=(7.5,),
        width=768,
        height=512,
        scales=(1.0,),
        text_encoder_scales=(1.0,),
        scheduler="dpmsolver++",
    )


def test_inference_defaults_are_those_of_the_notebook(tmp_path: Path) -> None:
    assert read_inference(written(tmp_path, {"prompt": "a", "seeds": None})) == OriginInference(("a",))


def test_inference_lists_and_single_values(tmp_path: Path) -> None:
    content = {
        "prompt": ["a"],
        "negative_prompt": "b",
        "seeds": 3,
        "guidance_scale": [1, 7.5],
        "LORA_SCALE_UNET": [0, 1],
    }
    read = read_inference(written(tmp_path, content))
    assert (read.negative_prompt, read.seeds, read.guidance_scales, read.scales) == ("b", (3,), (1.0, 7.5), (0.0, 1.0))


def test_inference_takes_the_first_seeds(tmp_path: Path) -> None:
    assert read_inference(written(tmp_path, {"prompt": "a", "seeds": [5, 6, 7], "num_samples": 2})).seeds == (5, 6)
    assert read_inference(written(tmp_path, {"prompt": "a", "num_samples": 2})).seeds == (0, 1000000)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prompt": None}, "there is no `prompt`"),
        ({"prompt": []}, "`prompt` is"),
        ({"prompt": [1]}, "expected text"),
        ({"prompts": ["a"]}, "Did you mean `prompt`"),
        ({"negative_prompt": ["a", "b"]}, "has 2 entries"),
        ({"num_prompts": 3}, "there are 2 prompts"),
        ({"num_samples": 2}, "expected at most 1"),
        ({"num_samples": 10**9, "seeds": None}, "expected at most 1000"),
        ({"seeds": ["1"]}, "`seeds` is"),
        ({"guidance_scale": [-1]}, "expected 0 or more"),
        ({"guidance_scale": []}, "`guidance_scale` is"),
        ({"width": 0}, "from 1 on"),
        ({"inference_steps": "50"}, "from 1 on"),
    ],
)
def test_faulty_inference_configuration_is_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_inference(written(tmp_path, INFERENCE | change))
