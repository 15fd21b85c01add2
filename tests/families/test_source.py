from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import CHECKPOINT_KEY_NAMES
from huggingface_hub import errors
from huggingface_hub._tree_cache import TreeCacheEntry, write_tree_cache
from safetensors.torch import load_file, save_file
from tiny import unet_to_ldm
from transformers import CLIPTextModel

from lorabooth.errors import InputError, LoraboothError, MachineError
from lorabooth.families.source import ModelSource, find_model, load_component, prediction_type
from lorabooth.families.source import find as find_module
from lorabooth.families.source.hub import _input_fault, _machine_fault, needed_files
from lorabooth.families.source.ldm import UNET, text_config, unet_config
from lorabooth.families.source.single_file import clip_merges, clip_tokenizer

MODULES = ("vae", "text_encoder", "unet")
UNET_FILE = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def copy(tiny_sd: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_sd, tmp_path / "model"))


def refused(base: Any, *, kind: type[LoraboothError] = InputError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        find_model(str(base), **options)
    return str(caught.value)


def assert_same_weights(found: Any, expected: Any) -> None:
    ours, theirs = found.state_dict(), expected.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=0, msg=name)


# --- folders


@pytest.mark.parametrize("name", MODULES)
def test_folder_component_equals_diffusers_own(tiny_sd: Path, name: str) -> None:
    source = find_model(str(tiny_sd))
    assert source == ModelSource(str(tiny_sd), "folder", tiny_sd, None, "StableDiffusionPipeline", "epsilon")
    module = load_component(source, name, torch.float32)
    assert_same_weights(module, getattr(StableDiffusionPipeline.from_pretrained(tiny_sd), name))
    assert not module.training
    assert not any(weight.requires_grad for weight in module.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", MODULES)
def test_component_comes_in_the_asked_dtype(
    tiny_sd: Path, tiny_checkpoints: dict[int, tuple[Path, Path]], name: str, dtype: torch.dtype
) -> None:
    for base in (tiny_sd, tiny_checkpoints[1][1]):
        module = load_component(find_model(str(base)), name, dtype)
        assert {weight.dtype for weight in module.parameters()} == {dtype}


def test_second_generation_folder_predicts_v(tiny_sd2: Path) -> None:
    source = find_model(str(tiny_sd2))
    assert prediction_type(source) == "v_prediction"
    assert load_component(source, "scheduler", torch.float32).config.prediction_type == "v_prediction"


def test_user_overrules_prediction_of_a_folder(tiny_sd: Path) -> None:
    source = find_model(str(tiny_sd), prediction="v_prediction")
    assert source.prediction == "v_prediction"
    assert load_component(source, "scheduler", torch.float32).config.prediction_type == "v_prediction"


def test_tokenizer_of_a_folder(tiny_sd: Path) -> None:
    tokenizer = load_component(find_model(str(tiny_sd)), "tokenizer", torch.float32)
    assert tokenizer.model_max_length == 77
    assert tokenizer("the dog").input_ids[0] == 612
    assert tokenizer("the dog").input_ids[-1] == 613


def test_unknown_component_is_a_programming_error(tiny_sd: Path) -> None:
    with pytest.raises(ValueError, match="safety_checker"):
        load_component(find_model(str(tiny_sd)), "safety_checker", torch.float32)


def test_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "more").mkdir()
    said = refused(tmp_path)
    assert "model_index.json" in said
    assert "more/, photo.jpg" in said


def test_other_pipelines_are_named(copy: Path) -> None:
    (copy / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    assert "FluxPipeline" in refused(copy)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_broken_index(copy: Path, text: str) -> None:
    (copy / "model_index.json").write_text(text)
    assert "model_index.json" in refused(copy)


@pytest.mark.parametrize("component", [*MODULES, "tokenizer", "scheduler"])
def test_missing_component_folder(copy: Path, component: str) -> None:
    shutil.rmtree(copy / component)
    assert f"no folder {component}/" in refused(copy)


def test_missing_component_config(copy: Path) -> None:
    (copy / "unet" / "config.json").unlink()
    assert str(copy / "unet" / "config.json") in refused(copy)


def test_tokenizer_without_its_files(copy: Path) -> None:
    for file in (copy / "tokenizer").iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()
    said = refused(copy)
    assert "tokenizer.json" in said
    assert "tokenizer_config.json" in said


def test_tokenizer_larger_than_the_encoder(copy: Path) -> None:
    clip_tokenizer(clip_merges()[:200], 77).save_pretrained(copy / "tokenizer")
    with pytest.raises(InputError, match="714 tokens"):
        load_component(find_model(str(copy)), "tokenizer", torch.float32)


def test_missing_weights(copy: Path) -> None:
    (copy / "unet" / UNET_FILE).unlink()
    assert "no weights of the unet" in refused(copy)


def test_variant(copy: Path) -> None:
    for component in MODULES:
        for file in (copy / component).glob("*.safetensors"):
            file.rename(file.with_suffix(".fp16.safetensors"))
    source = find_model(str(copy), variant="fp16")
    load_component(source, "unet", torch.float32)
    load_component(source, "text_encoder", torch.float32)
    assert "Set model.variant to `fp16`" in refused(copy)
    assert "the variant `fp16`" in refused(copy, variant="non_ema")


def test_plain_weights_where_a_variant_was_asked(tiny_sd: Path) -> None:
    said = refused(tiny_sd, variant="fp16")
    assert "the plain one" in said
    assert "Leave model.variant out" in said


def test_sharded_weights(tiny_sd: Path, copy: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_sd / "unet")
    shutil.rmtree(copy / "unet")
    unet.save_pretrained(copy / "unet", max_shard_size="1MB")
    shards = sorted((copy / "unet").glob("*.safetensors"))
    assert len(shards) > 1
    assert_same_weights(load_component(find_model(str(copy)), "unet", torch.float32), unet)
    shards[0].unlink()
    assert shards[0].name in refused(copy)


@pytest.mark.parametrize("suffix", [".bin", ".ckpt"])
def test_folder_with_pickles_only(copy: Path, suffix: str) -> None:
    (copy / "unet" / UNET_FILE).rename(copy / "unet" / f"diffusion_pytorch_model{suffix}")
    said = refused(copy)
    assert "pickle" in said
    assert "convert" in said


@pytest.mark.parametrize("where", ["unet", ".cache/huggingface/download/unet"])
def test_unfinished_download_beside_missing_weights(copy: Path, where: str) -> None:
    (copy / "unet" / UNET_FILE).unlink()
    (copy / where).mkdir(parents=True, exist_ok=True)
    (copy / where / "abc.incomplete").touch()
    assert "half-downloaded" in refused(copy)


def test_download_still_running(copy: Path) -> None:
    (copy / "unet" / (UNET_FILE + ".aria2")).touch()
    assert "half-downloaded" in refused(copy)


@pytest.mark.parametrize("kept", [0, 5, 8, 100, 50_000, -1])
def test_truncated_weights(copy: Path, kept: int) -> None:
    path = copy / "unet" / UNET_FILE
    path.write_bytes(path.read_bytes()[:kept])
    said = refused(copy)
    assert "half-downloaded" in said
    assert str(path) in said


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (pickle.dumps({"weight": 1}), "pickle"),
        (b"PK\x03\x04" + bytes(100), "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-LFS"),
        (b"<!doctype html><html></html>", "web page"),
        (b"\xff" * 64, "no safetensors file"),
        ((20).to_bytes(8, "little") + b"x" * 20, "not JSON"),
        ((2).to_bytes(8, "little") + b"[]", "lists no tensors"),
        ((8).to_bytes(8, "little") + b'{"a": 1}', "lists no tensors"),
    ],
)
def test_weights_that_are_something_else(copy: Path, content: bytes, word: str) -> None:
    (copy / "vae" / UNET_FILE).write_bytes(content)
    assert word in refused(copy)


def test_weights_with_bytes_too_many(copy: Path) -> None:
    with (copy / "vae" / UNET_FILE).open("ab") as file:
        file.write(b"more")
    assert "damaged" in refused(copy)


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_tensor_is_not_made_up(copy: Path, name: str) -> None:
    (path,) = (copy / name).glob("*.safetensors")
    tensors = load_file(path)
    gone = sorted(key for key in tensors if key.endswith("weight"))[-1]
    save_file({key: value for key, value in tensors.items() if key != gone}, path, {"format": "pt"})
    with pytest.raises(InputError, match=f"(?s){name}.*lack 1 tensors"):
        load_component(find_model(str(copy)), name, torch.float32)


@pytest.mark.parametrize("name", MODULES)
def test_weights_of_another_shape(copy: Path, name: str) -> None:
    path = copy / name / "config.json"
    config = json.loads(path.read_text())
    key = "hidden_size" if name == "text_encoder" else "block_out_channels"
    config[key] = 64 if name == "text_encoder" else [width * 2 for width in config[key]]
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"The {name} in"):
        load_component(find_model(str(copy)), name, torch.float32)


def test_inpainting_model(copy: Path) -> None:
    path = copy / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"in_channels": 9}))
    assert "9 channels (inpainting)" in refused(copy)


def test_unknown_objective(copy: Path) -> None:
    path = copy / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "sample"}))
    assert "`sample`" in refused(copy)


@pytest.mark.parametrize("name", ["NoScheduler", "os", "AutoencoderKL"])
def test_unknown_scheduler(copy: Path, name: str) -> None:
    path = copy / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": name}))
    with pytest.raises(InputError, match=name):
        load_component(find_model(str(copy)), "scheduler", torch.float32)


def test_loading_is_silent(tiny_sd: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in MODULES:
        load_component(find_model(str(tiny_sd)), name, torch.float32)
    assert capfd.readouterr() == ("", "")


# --- names


def test_unknown_builtin_lists_those_that_exist(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_module, "_BUILTIN", copy.parent)
    assert find_model("builtin:model").path == copy
    assert find_model("builtin:model").kind == "builtin"
    assert "there is: builtin:model" in refused("builtin:cats")


@pytest.mark.parametrize(
    ("base", "word"),
    [
        ("", "names no base model"),
        ("sd15", "names no base model"),
        ("./nowhere", "no file or folder"),
        ("/nowhere/model.safetensors", "no file or folder"),
        ("models/dream.safetensors", "no file or folder"),
        ("https://huggingface.co/owner/name", "owner/name"),
    ],
)
def test_names_that_lead_nowhere(base: str, word: str) -> None:
    assert word in refused(base)


def test_options_that_do_not_fit_the_kind(tiny_sd: Path, tiny_checkpoints: dict[int, tuple[Path, Path]]) -> None:
    assert "model.revision" in refused(tiny_sd, revision="main")
    assert "model.variant" in refused(tiny_checkpoints[1][1], variant="fp16")


def test_importing_stays_cheap() -> None:
    code = "import sys, lorabooth.families.source; print({'torch', 'diffusers', 'transformers'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --- single files


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("name", MODULES)
def test_single_file_equals_its_folder(
    tiny_checkpoints: dict[int, tuple[Path, Path]], generation: int, name: str
) -> None:
    folder, file = tiny_checkpoints[generation]
    source = find_model(str(file), prediction="v_prediction" if generation == 2 else None)
    assert source.kind == "single_file"
    found = load_component(source, name, torch.float32)
    expected = load_component(find_model(str(folder)), name, torch.float32)
    assert_same_weights(found, expected)
    assert not found.training
    assert not any(weight.requires_grad or weight.is_meta for weight in found.parameters())
    assert not any(buffer.is_meta for buffer in found.buffers())


@pytest.mark.parametrize("generation", [1, 2])
def test_single_file_computes_the_same(tiny_checkpoints: dict[int, tuple[Path, Path]], generation: int) -> None:
    folder, file = tiny_checkpoints[generation]
    answers = []
    for base in (folder, file):
        source = find_model(str(base), prediction="v_prediction" if generation == 2 else "epsilon")
        parts = {name: load_component(source, name, torch.float32) for name in (*MODULES, "tokenizer")}
        options = {"padding": "max_length", "return_tensors": "pt"}
        tokens = parts["tokenizer"](["A photo of a sks dog's bowl, 1999!"], **options).input_ids
        with torch.no_grad():
            text = parts["text_encoder"](tokens).last_hidden_state
            pixels = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)
            latents = parts["vae"].encode(pixels).latent_dist.mean
            answers.append([tokens, text, latents, parts["unet"](latents, 500, text).sample])
    for one, other in zip(*answers, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_prediction_of_a_first_generation_file(tiny_checkpoints: dict[int, tuple[Path, Path]]) -> None:
    source = find_model(str(tiny_checkpoints[1][1]))
    assert prediction_type(source) == "epsilon"
    scheduler = load_component(source, "scheduler", torch.float32)
    assert scheduler.config.prediction_type == "epsilon"
    assert scheduler.alphas_cumprod[-1].item() == pytest.approx(0.00466, abs=1e-5)


def test_second_generation_file_does_not_say_what_it_predicts(
    tiny_checkpoints: dict[int, tuple[Path, Path]], tmp_path: Path
) -> None:
    file = tiny_checkpoints[2][1]
    assert "model.prediction_type=v_prediction" in refused(file)
    assert find_model(str(file), prediction="epsilon").prediction == "epsilon"
    tensors = load_file(file)
    save_file(tensors | {"v_pred": torch.zeros(0)}, tmp_path / "key.safetensors")
    assert find_model(str(tmp_path / "key.safetensors")).prediction == "v_prediction"
    save_file(tensors, tmp_path / "spec.safetensors", {"modelspec.prediction_type": "epsilon"})
    assert find_model(str(tmp_path / "spec.safetensors")).prediction == "epsilon"


def test_old_merges_leave_a_prefix_out(tiny_checkpoints: dict[int, tuple[Path, Path]], tmp_path: Path) -> None:
    folder, file = tiny_checkpoints[1]
    path = tmp_path / "merge.safetensors"
    save_file({name.replace("transformer.text_model.", "transformer."): v for name, v in load_file(file).items()}, path)
    found = load_component(find_model(str(path)), "text_encoder", torch.float32)
    assert_same_weights(found, CLIPTextModel.from_pretrained(folder / "text_encoder"))


def test_clip_tokenizer_gives_clips_ids() -> None:
    tokenizer = clip_tokenizer(clip_merges(), 77)
    assert len(tokenizer) == 49_408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (["lora_unet_down_blocks_0.lora_down.weight"], "LoRA"),
        (["unet.down_blocks.0.to_q.lora_A.weight"], "LoRA"),
        (["conditioner.embedders.0.weight", "model.diffusion_model.out.2.weight"], "SDXL"),
        (["down_blocks.0.resnets.0.conv1.weight"], "one component"),
        (["model.diffusion_model.out.2.weight"], "no autoencoder and no text encoder"),
        (["model.diffusion_model.a", "first_stage_model.b", "cond_stage_model.c"], "lacks"),
        (["something"], "something"),
        ([], "empty"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path: Path, names: list[str], word: str) -> None:
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "file.safetensors")
    assert word in refused(tmp_path / "file.safetensors")


@pytest.mark.parametrize("suffix", [".ckpt", ".bin", ".pt"])
def test_pickled_checkpoints_are_not_opened(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"model{suffix}").write_bytes(b"")
    assert "pickle" in refused(tmp_path / f"model{suffix}")


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    assert "expected a .safetensors checkpoint" in refused(tmp_path / "photo.jpg")


def edited(file: Path, path: Path, **changes: Any) -> Path:
    tensors = load_file(file)
    tensors |= {name: value for name, value in changes.items() if value is not None}
    save_file({name: value for name, value in tensors.items() if changes.get(name, value) is not None}, path)
    return path


def test_single_file_that_lacks_a_tensor(tiny_checkpoints: dict[int, tuple[Path, Path]], tmp_path: Path) -> None:
    gone = f"{UNET}output_blocks.1.0.in_layers.2.weight"
    path = edited(tiny_checkpoints[1][1], tmp_path / "gap.safetensors", **{gone: None})
    with pytest.raises(InputError, match=r"unet.*lack 1 tensors"):
        load_component(find_model(str(path)), "unet", torch.float32)


def test_single_file_with_a_tensor_of_another_shape(
    tiny_checkpoints: dict[int, tuple[Path, Path]], tmp_path: Path
) -> None:
    changed = {f"{UNET}output_blocks.1.0.in_layers.2.weight": torch.zeros(7)}
    path = edited(tiny_checkpoints[1][1], tmp_path / "odd.safetensors", **changed)
    with pytest.raises(InputError, match="does not fit"):
        load_component(find_model(str(path)), "unet", torch.float32)


def test_single_inpainting_file(tiny_checkpoints: dict[int, tuple[Path, Path]], tmp_path: Path) -> None:
    changed = {f"{UNET}input_blocks.0.0.weight": torch.zeros(32, 9, 3, 3)}
    assert "(inpainting)" in refused(edited(tiny_checkpoints[1][1], tmp_path / "i.safetensors", **changed))


def test_single_file_with_another_vocabulary(tiny_checkpoints: dict[int, tuple[Path, Path]], tmp_path: Path) -> None:
    name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    path = edited(tiny_checkpoints[1][1], tmp_path / "v.safetensors", **{name: torch.zeros(614, 32)})
    with pytest.raises(InputError, match="614 tokens"):
        load_component(find_model(str(path)), "tokenizer", torch.float32)


def test_truncated_single_file(tiny_checkpoints: dict[int, tuple[Path, Path]], tmp_path: Path) -> None:
    (tmp_path / "half.safetensors").write_bytes(tiny_checkpoints[1][1].read_bytes()[:1_000_000])
    assert "half-downloaded" in refused(tmp_path / "half.safetensors")


REAL = {
    1: {"cross_attention_dim": 768, "attention_head_dim": 8, "use_linear_projection": False, "sample_size": 64},
    2: {
        "cross_attention_dim": 1024,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
        "sample_size": 96,
        "upcast_attention": True,
    },
}  # from the config.json of stable-diffusion-v1-5 and stable-diffusion-2-1


@pytest.mark.parametrize("generation", [1, 2])
def test_shapes_of_the_real_models_give_their_configuration(generation: int) -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**REAL[generation])
    shapes = {f"{UNET}{name}": tuple(value.shape) for name, value in unet_to_ldm(unet).items()}
    assert CHECKPOINT_KEY_NAMES[f"v{generation}"] in shapes
    config = unet_config(shapes, generation, "v_prediction" if generation == 2 else "epsilon")
    with torch.device("meta"):
        again = UNet2DConditionModel(**config)
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in again.config.items() if k[0] != "_"} == {
        k: list(v) if isinstance(v, tuple) else v for k, v in unet.config.items() if k[0] != "_"
    }


@pytest.mark.parametrize(("blocks", "layers"), [(24, 23), (23, 23)])
def test_second_generation_stops_before_the_last_block(blocks: int, layers: int) -> None:
    base = "cond_stage_model.model."
    shapes: dict[str, tuple[int, ...]] = {f"{base}token_embedding.weight": (49408, 1024)}
    shapes[f"{base}positional_embedding"] = (77, 1024)
    for index in range(blocks):
        shapes[f"{base}transformer.resblocks.{index}.mlp.c_fc.weight"] = (4096, 1024)
    config = text_config(shapes, 2)
    assert config["num_hidden_layers"] == layers
    assert (config["num_attention_heads"], config["intermediate_size"], config["hidden_act"]) == (16, 4096, "gelu")


# --- the Hub

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tiny_sd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hub cache as a download leaves it, and no network."""
    repo = tmp_path / "hub" / "models--artist--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(SHA)
    shutil.copytree(tiny_sd, repo / "snapshots" / SHA)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return repo / "snapshots" / SHA


@pytest.mark.parametrize("revision", [None, "main", SHA])
def test_hub_model_from_the_cache(cache: Path, tiny_sd: Path, revision: str | None) -> None:
    source = find_model("artist/tiny", revision=revision)
    assert (source.kind, source.path, source.prediction) == ("hub", cache, "epsilon")
    found = load_component(source, "unet", torch.float32)
    assert_same_weights(found, UNet2DConditionModel.from_pretrained(tiny_sd / "unet"))
    assert load_component(source, "tokenizer", torch.float32).model_max_length == 77


def test_hub_model_that_is_not_cached(cache: Path) -> None:
    said = refused("artist/other", kind=MachineError)
    assert "not in the Hub cache" in said
    assert "HF_HUB_OFFLINE" in said
    assert "revision `v9`" in refused("artist/tiny", revision="v9", kind=MachineError)


def listed(cache: Path) -> None:
    """The list of files that huggingface_hub 2 keeps beside a snapshot."""
    names = [str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()]
    facts = {"size": 1, "blob_id": "0" * 40, "lfs_sha256": None, "lfs_size": None, "xet_hash": None}
    write_tree_cache(str(cache.parents[1]), SHA, {name: TreeCacheEntry(**facts) for name in [*names, "model.ckpt"]})


def test_hub_model_half_in_the_cache(cache: Path) -> None:
    listed(cache)
    assert find_model("artist/tiny").path == cache
    (cache / "unet" / UNET_FILE).unlink()
    said = refused("artist/tiny", kind=MachineError)
    assert "only half in the Hub cache, and HF_HUB_OFFLINE forbids" in said


def test_hub_model_without_weights_in_an_older_cache(cache: Path) -> None:
    (cache / "unet" / UNET_FILE).unlink()
    assert "artist/tiny has no weights of the unet" in refused("artist/tiny")


def test_hub_variant_that_does_not_exist(cache: Path) -> None:
    assert "artist/tiny has no weights of the vae in the variant `fp16`" in refused("artist/tiny", variant="fp16")


def test_invalid_hub_name(cache: Path) -> None:
    assert "no name of a Hub model" in refused("artist/-tiny-")


def test_downloads_leave_pickles_and_other_variants_alone() -> None:
    names = [
        "model_index.json", "v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "README.md",
        "unet/config.json", "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "text_encoder/model.safetensors", "text_encoder/model.fp16.safetensors", "text_encoder/pytorch_model.bin",
        "tokenizer/vocab.json", "tokenizer/merges.txt", "safety_checker/model.safetensors",
    ]  # fmt: skip

    def fetched(variant: str | None) -> set[str]:
        patterns = needed_files("StableDiffusionPipeline", variant)
        return set(huggingface_hub.utils.filter_repo_objects(names, allow_patterns=patterns))

    always = {"model_index.json", "unet/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt"}
    assert fetched("fp16") == always | {
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.fp16.safetensors",
    }
    assert fetched(None) == always | {
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "text_encoder/model.safetensors",
    }


def answer(kind: Any, status: int) -> Exception:
    http = sys.modules[errors.HfHubHTTPError.__mro__[1].__module__.partition(".")[0]]
    response = http.Response(status, request=http.Request("GET", "https://huggingface.co/api/models/artist/tiny"))
    return kind("refused", response=response)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (lambda: answer(errors.GatedRepoError, 403), "hf auth login"),
        (lambda: answer(errors.RepositoryNotFoundError, 401), "There is no model artist/tiny"),
        (lambda: answer(errors.RevisionNotFoundError, 404), "no revision `v2`"),
    ],
)
def test_what_the_hub_refuses_is_the_users_to_fix(error: Any, word: str) -> None:
    assert word in str(_input_fault("artist/tiny", "v2", error()))


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OSError(28, "No space left on device", "/cache/blob"), "disk is full"),
        (ConnectionError("reset by peer"), "broke off: reset by peer"),
        (TimeoutError(), "broke off: TimeoutError"),
    ],
)
def test_what_breaks_on_the_way_is_the_machines(error: Exception, word: str) -> None:
    assert _input_fault("artist/tiny", None, error) is None
    assert word in str(_machine_fault("artist/tiny", None, error, "not"))


def test_a_hub_that_is_down_is_named() -> None:
    error = errors.LocalEntryNotFoundError("gone")
    error.__cause__ = answer(errors.HfHubHTTPError, 503)
    assert "the Hub answered 503" in str(_machine_fault("artist/tiny", None, error, "not"))
