"""Options: overrides, faults told together, recommended values, round trips."""

from __future__ import annotations

from pathlib import Path

import pytest

from lorabooth.config import TrainConfig, build, dump, load, option_names, parse_override
from lorabooth.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lora.rank=16", ("lora.rank", 16)),
        ("optimizer.learning_rate=1e-4", ("optimizer.learning_rate", 1e-4)),
        ("subject.instance_prompt=a photo of sks dog", ("subject.instance_prompt", "a photo of sks dog")),
        ("sampling.seeds=[1, 2]", ("sampling.seeds", [1, 2])),
        ("lora.alpha=", ("lora.alpha", None)),
        ("subject.identifier=1e", ("subject.identifier", "1e")),
    ],
)
def test_override_values(text: str, expected: tuple[str, object]) -> None:
    assert parse_override(text) == expected


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        build({"model": {"base": "x"}, "lora": {"rnk": 4, "rank": -1}, "optimizer": {"learning_rate": -1.0}})
    text = str(caught.value)
    assert "Unknown option `lora.rnk`. Did you mean `lora.rank`?" in text
    assert "`lora.rank` is -1" in text
    assert "`optimizer.learning_rate` is -1.0" in text


@pytest.mark.parametrize("name", ["rank", "lora.rang", "nothing.at.all", "subjekt.photos"])
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="Unknown option"):
        build({}, [f"{name}=3"])


@pytest.mark.parametrize("rate", ["nan", ".inf", "-1", "0"])
def test_a_rate_is_a_positive_number(rate: str) -> None:
    with pytest.raises(InputError, match="learning_rate"):
        build({}, [f"optimizer.learning_rate={rate}"])


def test_embedded_base_brings_recommended_options_that_give_way() -> None:
    assert build({}).optimizer.learning_rate == pytest.approx(4e-3)
    assert build({}, ["optimizer.learning_rate=1e-4"]).optimizer.learning_rate == pytest.approx(1e-4)
    assert build({"model": {"base": "some/model"}}).optimizer.learning_rate == pytest.approx(1e-4)


def test_a_single_seed_or_prompt_is_a_list_of_one() -> None:
    config = build({}, ["sampling.seeds=3", "sampling.prompts=a dog"])
    assert config.sampling.seeds == (3,)
    assert config.sampling.prompts == ("a dog",)


def test_defaults_round_trip_through_yaml(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(dump(TrainConfig()), encoding="utf-8")
    assert load(file) == TrainConfig()


@pytest.mark.parametrize("text", ["- a\n- b", "just words", "a: [", "\x00"])
def test_files_that_are_no_config(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        load(file)


def test_option_names_cover_the_config() -> None:
    assert "lora.rank" in option_names()
    assert {name.partition(".")[0] for name in option_names()} == set(TrainConfig.model_fields)
