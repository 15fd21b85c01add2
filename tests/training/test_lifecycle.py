"""What diffusers' `TestDreamBoothLoRA` asserts, sharper; and samples, events and bad input of whole runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from runs import Trained, assert_same_weights, make_config, make_photos, resume, run
from torch import Tensor

from lorabooth.api import train
from lorabooth.config import build
from lorabooth.errors import InputError, LoraboothError, MachineError
from lorabooth.grid import read_info
from lorabooth.training.checkpoint import checkpoint_steps
from lorabooth.training.events import CheckpointEvent, FinishedEvent, SampleEvent, StartedEvent, StepEvent, WarningEvent
from lorabooth.training.folder import RunFolder, new_run

WIDTHS = {"to_q": (32, 32), "to_k": (32, 32), "to_v": (32, 32), "to_out.0": (32, 32)}
UNET_KEY = re.compile(
    r"unet\.(down|up)_blocks\.[01]\.attentions\.\d\.transformer_blocks\.0\.attn[12]\.(to_[qkv]|to_out\.0)\.lora_([AB])\.weight"
    r"|unet\.mid_block\.attentions\.0\.transformer_blocks\.0\.attn[12]\.(to_[qkv]|to_out\.0)\.lora_([AB])\.weight"
)
TEXT_KEY = re.compile(
    r"text_encoder\.(text_model\.)?encoder\.layers\.[01]\.self_attn\.([qkv]|out)_proj\.lora_([AB])\.weight"
)


@pytest.fixture(scope="module")
def trained(tiny_sd: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return run(make_config(tiny_sd, photos, tmp_path_factory.mktemp("run") / "run"))


def assert_pairs(weights: dict[str, Tensor], rank: int) -> None:
    """Every A [rank, in] has its B [out, rank]."""
    for key, value in weights.items():
        if ".lora_A." in key:
            other = weights[key.replace(".lora_A.", ".lora_B.")]
            assert value.shape[0] == other.shape[1] == rank
    assert sum(".lora_A." in key for key in weights) * 2 == len(weights)


def test_keys_of_the_denoiser(trained: Trained) -> None:
    """diffusers' test 1: a file, every key with "lora" and "unet"; here whole names and shapes."""
    assert trained.folder.lora.name == "lora.safetensors"
    assert all(UNET_KEY.fullmatch(key) for key in trained.weights)
    assert_pairs(trained.weights, 2)
    attentions = {key.rpartition(".attn")[0] for key in trained.weights}
    assert len(trained.weights) == len(attentions) * 2 * 4 * 2
    first = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    assert trained.weights[f"{first}.lora_A.weight"].shape == (2, 32)
    assert trained.weights[f"{first}.lora_B.weight"].shape == (32, 2)


def test_keys_with_a_text_encoder(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    """diffusers' test 2: some key of the text encoder, every key of one of the two."""
    config = make_config(tiny_sd, photos, tmp_path / "run", lora__text_encoder=True, lora__text_encoder_rank=3)
    weights = run(config).weights
    text = {k: v for k, v in weights.items() if k.startswith("text_encoder.")}
    unet = {k: v for k, v in weights.items() if k.startswith("unet.")}
    assert len(text) == 2 * 4 * 2
    assert all(TEXT_KEY.fullmatch(key) for key in text)
    assert text.keys() | unet.keys() == weights.keys()
    assert_pairs(text, 3)
    assert_pairs(unet, 2)


def test_keys_of_all_layers(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    counts = {}
    for targets in ("attention", "all-linear", "all-linear-conv"):
        options: dict[str, Any] = {"lora__targets": targets, "training__steps": 1}
        weights = run(make_config(tiny_sd, photos, tmp_path / targets, **options)).weights
        assert_pairs(weights, 2)
        counts[targets] = len(weights)
    assert counts["attention"] < counts["all-linear"] < counts["all-linear-conv"]


def test_a_limit_of_checkpoints(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    """diffusers' test 3: 6 steps, one every 2, 2 kept."""
    trained = run(make_config(tiny_sd, photos, tmp_path / "run", training__steps=6, output__keep_checkpoints=2))
    assert sorted(p.name for p in trained.folder.checkpoints.iterdir()) == ["step-000004", "step-000006"]


def test_a_limit_that_comes_with_resuming(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    """diffusers' test 4: 4 steps without a limit, resumed to 8 with 2 kept."""
    trained = run(make_config(tiny_sd, photos, tmp_path / "run"))
    assert list(checkpoint_steps(trained.folder.checkpoints)) == [2, 4]
    resume(trained.folder.path, "training.steps=8", "output.keep_checkpoints=2")
    assert sorted(p.name for p in trained.folder.checkpoints.iterdir()) == ["step-000006", "step-000008"]


def test_the_same_seed_trains_the_same_weights(trained: Trained, tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    again = run(make_config(tiny_sd, photos, tmp_path / "again"))
    assert_same_weights(again.weights, trained.weights)
    assert again.steps == trained.steps


# --- samples


def sampled(tiny_sd: Path, photos: Path, folder: Path, **options: Any) -> Trained:
    settings: dict[str, Any] = {
        "sampling__prompts": ["a photo of sks dog", "a dog"],
        "sampling__seeds": [0, 3],
        **options,
    }
    return run(make_config(tiny_sd, photos, folder, sampling__enabled=True, optimizer__learning_rate=0.05, **settings))


def test_samples_at_the_start_and_at_every_checkpoint(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trained = sampled(tiny_sd, photos, tmp_path / "run", training__steps=5)
    events = [e for e in trained.events if isinstance(e, SampleEvent)]
    assert [e.step for e in events] == [0, 2, 4, 5]
    assert [e.grid.name for e in events] == [f"step-00000{n}.png" for n in (0, 2, 4, 5)]
    assert len({e.grid.read_bytes() for e in events}) == 4
    info = read_info(events[1].grid)
    assert (info["prompts"], info["seeds"], info["step"]) == ("a photo of sks dog\na dog", "0, 3", "2")
    order = [type(e).__name__ for e in trained.events if not isinstance(e, WarningEvent)]
    step, saved = "StepEvent", ["CheckpointEvent", "SampleEvent"]
    assert order == [
        "StartedEvent",
        "SampleEvent",
        step,
        step,
        *saved,
        step,
        step,
        *saved,
        step,
        *saved,
        "FinishedEvent",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lora__text_encoder": True, "lora__dropout": 0.3, "prior__weight": 1},
        {"optimizer__name": "schedulefree"},
        {"ema__enabled": True},
        {"training__cache": False},
        {"sampling__scheduler": "euler_a"},
    ],
    ids=["plain", "text encoder", "schedule-free", "average", "no cache", "noisy sampler"],
)
def test_drawing_samples_does_not_change_the_result(
    tiny_sd: Path, photos: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """Nor do checkpoints."""
    options = {"optimizer__learning_rate": 0.05, **options}
    on = run(
        make_config(tiny_sd, photos, tmp_path / "on", sampling__enabled=True, output__checkpoint_every=1, **options)
    )
    off = run(make_config(tiny_sd, photos, tmp_path / "off", output__checkpoint_every=100, **options))
    assert on.lora == off.lora
    assert on.steps == off.steps


def test_samples_show_what_the_checkpoint_draws(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    """At step 0 the base; without training steps between them, samples are equal."""
    one, two = (sampled(tiny_sd, photos, tmp_path / str(n), training__seed=n) for n in range(2))
    first, last = ([t.folder.samples / f"step-00000{n}.png" for t in (one, two)] for n in (0, 4))
    assert pixels(first[0]) == pixels(first[1])
    assert pixels(last[0]) != pixels(last[1])


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()


# --- events and the folder


def test_a_run_folder_shows_the_whole_run(trained: Trained, tiny_sd: Path) -> None:
    names = {p.name for p in trained.folder.path.iterdir()}
    assert names == {"config.yaml", "events.jsonl", "checkpoints", "logs", "lora.safetensors"}
    records = trained.folder.events()
    kinds = ["started", "step", "step", "checkpoint", "step", "step", "checkpoint", "finished"]
    assert [r["event"] for r in records] == kinds
    assert records[3]["folder"] == "checkpoints/step-000002"
    assert records[-1]["lora"] == "lora.safetensors"
    assert trained.folder.config().model.base == str(tiny_sd)


def test_events_of_a_run(trained: Trained) -> None:
    events = [e for e in trained.events if not isinstance(e, WarningEvent)]
    first, last = events[0], events[-1]
    assert isinstance(first, StartedEvent)
    assert (first.step, first.steps, first.photos, first.class_images, first.precision) == (0, 4, 3, 0, "float32")
    assert first.parameters == sum(v.numel() for v in trained.weights.values())
    assert isinstance(last, FinishedEvent)
    assert (last.step, last.stopped) == (4, False)
    assert {type(e) for e in events[1:-1]} == {StepEvent, CheckpointEvent}


def test_tensorboard_has_every_step_once(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = run(make_config(tiny_sd, photos, tmp_path / "run"))
    again = resume(trained.folder.path, "training.steps=6")
    board = EventAccumulator(str(trained.folder.path / "logs"))
    board.Reload()
    shown = board.Scalars("loss/total")
    assert [s.step for s in shown] == [1, 2, 3, 4, 5, 6]
    assert [s.value for s in shown] == pytest.approx([s.loss for s in (*trained.steps, *again.steps)])


def test_the_public_function(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    result = train(make_config(tiny_sd, photos, tmp_path / "run", training__steps=1))
    assert (result.run, result.step, result.stopped) == (tmp_path / "run", 1, False)
    assert result.lora.exists()


def test_runs_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = build({}, {"subject.class_noun": "guide dog/old"})
    assert [str(new_run(config).path) for _ in range(3)] == [f"runs/guide-dog-old-{n}" for n in (1, 2, 3)]


# --- bad input


def test_a_folder_in_use_is_refused(trained: Trained, tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    before = trained.lora
    with pytest.raises(InputError, match="already exists and is not empty") as caught:
        run(make_config(tiny_sd, photos, trained.folder.path))
    assert f"--resume {trained.folder.path}" in caught.value.hint
    assert trained.lora == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        run(make_config(tiny_sd, photos, tmp_path / "file"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model__base": "nowhere/at-all"}, "nowhere/at-all"),
        ({"subject__photos": "no/such/folder"}, "no folder no/such/folder"),
        ({"training__resolution": 33}, "multiples of 8"),
        ({"subject__instance_prompt": "a photo of a dog"}, "lacks the identifier"),
        ({"training__precision": "fp16"}, "needs a GPU"),
        (
            {"optimizer__name": "prodigy", "lora__text_encoder": True, "optimizer__learning_rate": 1},
            "Prodigy adapts one",
        ),
    ],
)
def test_what_can_not_be_trained_leaves_no_folder(
    tiny_sd: Path, photos: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    config = make_config(tiny_sd, photos, tmp_path / "run", **options)
    with pytest.raises(LoraboothError, match=re.escape(message)):
        run(config)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_was_there_and_empty_may_be_used(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert run(make_config(tiny_sd, photos, tmp_path / "run", training__steps=1)).folder.lora.exists()


def test_a_folder_that_can_not_be_made(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError) as caught:
        run(make_config(tiny_sd, photos, tmp_path / "file" / "run"))
    assert caught.value.exit_code == 3


def test_a_half_written_line_of_events_is_passed_over(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.events_file.write_text('{"event": "step", "step": 1}\n{"event": "step", "step": 2}\n{"event": "st')
    assert [r["step"] for r in folder.events()] == [1, 2]
    folder.forget_after(1)
    assert folder.events_file.read_text() == '{"event": "step", "step": 1}\n'


def test_one_photo_is_enough(tiny_sd: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", count=1, size=(20, 30))
    assert len(run(make_config(tiny_sd, photos, tmp_path / "run", training__batch_size=3)).steps) == 4
