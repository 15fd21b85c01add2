"""The recipe as stages: world → autoencoder → latents, world → text encoder, all → denoiser → model; apart: judge."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModelWithProjection

from sprites.errors import RecipeError
from sprites.stages import Stage
from sprites.training import autoencoder, contrastive, denoiser, judge, latents, tokenizer
from sprites.training.pool import Pool


@dataclass(frozen=True)
class Recipe:
    """How much of everything; the world's name says which classes, styles and contexts."""

    world: str = "small"
    pool: int = 60_000
    pool_seed: int = 11
    size: int = 64
    autoencoder_pictures: int = 145_000
    text_pictures: int = 66_000
    denoiser_pictures: int = 298_000
    judge_pictures: int = 120_000

    def stages(self) -> dict[str, Stage]:
        """All stages by name."""
        world = Stage("world", {"world": self.world, "pool": self.pool, "seed": self.pool_seed, "size": self.size})
        vae = Stage("autoencoder", {"pictures": self.autoencoder_pictures}, (world,))
        text = Stage("text", {"pictures": self.text_pictures}, (world,))
        latent = Stage("latents", {}, (vae,))
        unet = Stage("denoiser", {}, (latent, text))
        referee = Stage("judge", {"world": self.world, "pictures": self.judge_pictures, "seed": judge.SEED})
        return {stage.name: stage for stage in (world, vae, text, latent, unet, referee)}


@dataclass(frozen=True)
class Kitchen:
    """A recipe at work in a folder; ``minutes`` is the time budget of this call."""

    recipe: Recipe
    work: Path
    minutes: float

    @property
    def stages(self) -> dict[str, Stage]:
        """The recipe's stages."""
        return self.recipe.stages()

    def place(self, name: str) -> Path:
        """Folder of a stage."""
        return self.stages[name].folder(self.work)

    def pool(self) -> Pool:
        """The rendered pool."""
        return Pool(self.place("world"))

    def make_world(self) -> bool:
        """Renders the pool."""
        from sprites.world.pool import render_pool
        from sprites.world.settings import WORLDS

        s = self.stages["world"].settings
        render_pool(self.place("world"), WORLDS[s["world"]], s["pool"], s["seed"], s["size"], art=self.work / "art.npz")
        return True

    def make_judge(self) -> bool:
        """Trains the judge on renders of its own."""
        from sprites.art.store import Art
        from sprites.world.settings import WORLDS

        art, settings = Art.load(self.work / "art.npz"), WORLDS[self.recipe.world]
        plan = judge.plan(self.recipe.judge_pictures, self.minutes)
        return judge.train(art, settings, tokenizer.words(), self.place("judge"), plan)

    def make_autoencoder(self) -> bool:
        """Trains the autoencoder."""
        plan = autoencoder.plan(self.recipe.autoencoder_pictures, self.minutes)
        return autoencoder.train(self.pool(), self.place("autoencoder"), plan)

    def make_latents(self) -> bool:
        """Whitens the autoencoder's latents and encodes the pool."""
        vae = autoencoder.build()
        vae.load_state_dict(_averaged(self.place("autoencoder")))
        latents.whiten(vae.eval(), self.pool())
        self.place("latents").mkdir(parents=True, exist_ok=True)
        torch.save(vae.state_dict(), self.place("latents") / "autoencoder.pt")
        latents.encode_pool(vae, self.pool(), self.place("latents") / "latents.npy")
        return True

    def make_text(self) -> bool:
        """Trains the text encoder against a picture encoder."""
        plan = contrastive.plan(self.recipe.text_pictures, self.minutes)
        return contrastive.train(self.pool(), self.tokenizer(), self.place("text"), plan)

    def make_denoiser(self) -> bool:
        """Trains the denoiser, from its last checkpoint where there is one."""
        pool = self.pool()
        data = denoiser.Data(pool, self.place("latents") / "latents.npy", self.text_encoder(), self.tokenizer())
        plan = denoiser.plan(self.recipe.denoiser_pictures, self.minutes)
        return denoiser.train(data, self.autoencoder(), self.place("denoiser"), test_captions(pool, 60), plan)

    def tokenizer(self) -> Any:
        """The tokenizer, from the pinned words."""
        return tokenizer.build(tokenizer.words() + tokenizer.identifiers())

    def autoencoder(self) -> AutoencoderKL:
        """The whitened autoencoder."""
        vae = autoencoder.build()
        vae.load_state_dict(torch.load(self.place("latents") / "autoencoder.pt", weights_only=True))
        return cast(AutoencoderKL, vae.eval().requires_grad_(False))

    def text_encoder(self) -> CLIPTextModelWithProjection:
        """The averaged text encoder."""
        pair = contrastive.Pair(self.tokenizer())
        pair.load_state_dict(_averaged(self.place("text")))
        captions = list({record.caption for record in self.pool().records})
        contrastive.lift_unseen(pair.text, contrastive.tokenize(self.tokenizer(), captions))
        return pair.text.eval().requires_grad_(False)

    def unet(self) -> Any:
        """The averaged denoiser."""
        model = denoiser.build()
        model.load_state_dict(_averaged(self.place("denoiser")))
        return model.eval().requires_grad_(False)

    def assemble(self, folder: Path) -> None:
        """Writes the trained parts as a diffusers folder."""
        from sprites.assemble import assemble

        assemble(folder, vae=self.autoencoder(), text=self.text_encoder(), tokenizer=self.tokenizer(), unet=self.unet())

    def assemble_judge(self, folder: Path) -> None:
        """Copies the judge."""
        if not self.stages["judge"].finished(self.work):
            raise RecipeError("the judge is not finished: go on with `python -m sprites make judge`")
        shutil.copytree(self.place("judge") / judge.FOLDER, folder, dirs_exist_ok=True)

    def run(self, until: str) -> bool:
        """Makes the stage ``until`` and whatever it needs; False when the time budget ended first."""
        steps: dict[str, Callable[[], bool]] = {
            "world": self.make_world,
            "autoencoder": self.make_autoencoder,
            "latents": self.make_latents,
            "text": self.make_text,
            "denoiser": self.make_denoiser,
            "judge": self.make_judge,
        }
        for name in [*needed(self.stages[until]), until]:
            stage = self.stages[name]
            if stage.finished(self.work):
                continue
            started = time.monotonic()
            if not steps[name]():
                return False
            if name != "denoiser":
                stage.finish(self.work, seconds=round(time.monotonic() - started))
        return True


def needed(stage: Stage) -> list[str]:
    """Names of the stages before a stage, in the order of making."""
    names = [name for before in stage.needs for name in [*needed(before), before.name]]
    return list(dict.fromkeys(names))


def _averaged(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    return cast(dict[str, torch.Tensor], state["optimizer"]["averaged"])


def test_captions(pool: Pool, count: int) -> list[str]:
    """Captions of the pool, each of another class and context, in a fixed order."""
    import numpy as np

    seen: set[tuple[str, str]] = set()
    out: list[str] = []
    for i in np.random.default_rng(1).permutation(len(pool)):
        record = pool.records[i]
        if (record.class_noun, record.context) not in seen and len(out) < count:
            seen.add((record.class_noun, record.context))
            out.append(record.caption)
    return out


def log_of(folder: Path) -> list[dict[str, Any]]:
    """The log lines of a stage."""
    file = folder / "log.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
