"""The recipe's command line: ``python -m sprites art | world | subjects | sheet``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sprites.art.store import Art
from sprites.errors import RecipeError
from sprites.labels import write_labelled_sheet
from sprites.world.settings import WORLDS
from sprites.world.world import World

Arguments = argparse.Namespace
STAGES = ("world", "autoencoder", "latents", "text", "denoiser", "judge")
MODEL = Path("src/lorabooth/builtin/sprites")
JUDGE = Path("src/lorabooth/builtin/judge")


def make_art(arguments: Arguments) -> None:
    """Fetches the packs and rasterises them."""
    from sprites.art.build import build

    art = build(arguments.work / "packs")
    art.save(art_file(arguments.work))
    classes = {sprite.class_noun for sprite in art.sprites if not sprite.is_accessory}
    print(f"{art_file(arguments.work)}: {len(art.sprites)} drawings of {len(classes)} classes")


def make_world(arguments: Arguments) -> None:
    """Renders a pool of pictures with captions."""
    from sprites.world.pool import render_pool

    name = f"pool-{arguments.world}-{arguments.number}-{arguments.seed}-{arguments.size}"
    folder = arguments.folder or arguments.work / name
    settings, art = WORLDS[arguments.world], art_file(arguments.work)
    render_pool(folder, settings, arguments.number, arguments.seed, arguments.size, art=art, workers=arguments.workers)
    print(folder)


def make_subjects(arguments: Arguments) -> None:
    """Writes the held-out subjects and a sheet of them."""
    from sprites.subjects import photos, write_demo_photos, write_subjects

    world, folder = open_world(arguments), arguments.work / "subjects"
    written = write_subjects(world, folder)
    cells = [
        (f"{subject.name}: {subject.class_noun}, {subject.group}, {subject.split}", photo)
        for subject, number in written
        for photo in photos(world, subject, number, 128)
    ]
    write_labelled_sheet(folder / "sheet.png", cells, columns=10)
    if arguments.demo:
        write_demo_photos(world, arguments.demo)
    print(f"{folder}: {len(written)} subjects, see sheet.png")


def make_sheet(arguments: Arguments) -> None:
    """Draws the first pictures of a world over their captions."""
    world, file = open_world(arguments), arguments.work / f"sheet-{arguments.world}.png"
    pictures = [world.render(arguments.seed, index, arguments.size) for index in range(arguments.number)]
    write_labelled_sheet(file, [(picture.record.caption, picture.pixels) for picture in pictures])
    print(file)


def make_stage(arguments: Arguments) -> None:
    """Makes a stage of the recipe and what it needs, going on where the last call stopped."""
    from sprites.recipe import Kitchen, Recipe

    recipe = Recipe(world=arguments.world, **({"denoiser_pictures": arguments.pictures} if arguments.pictures else {}))
    kitchen = Kitchen(recipe, arguments.work, arguments.minutes)
    done = kitchen.run(arguments.stage)
    print(f"{kitchen.place(arguments.stage)}: {'finished' if done else 'to be gone on with'}")


def make_model(arguments: Arguments) -> None:
    """Writes the trained parts as a diffusers folder."""
    from sprites.recipe import Kitchen, Recipe

    Kitchen(Recipe(world=arguments.world), arguments.work, 0).assemble(arguments.output)
    print(arguments.output)


def make_judge(arguments: Arguments) -> None:
    """Copies the trained judge to where the check looks for it."""
    from sprites.recipe import Kitchen, Recipe

    Kitchen(Recipe(world=arguments.world), arguments.work, 0).assemble_judge(arguments.output)
    print(arguments.output)


def make_all(arguments: Arguments) -> None:
    """The whole recipe: art, every stage, the model folder."""
    require_art(arguments)
    make_stage(arguments)
    make_model(arguments)


def make_check(arguments: Arguments) -> None:
    """Measures a model folder against its bars: a table, sheets and check.json under the work folder."""
    from sprites.check.bars import table
    from sprites.check.model import Model
    from sprites.check.run import QUICK, Check, Effort, load_judge

    require_art(arguments)
    judge, model = load_judge(arguments.judge), Model(arguments.model)
    effort, folder = QUICK if arguments.quick else Effort(), arguments.work / "check"
    art, settings = Art.load(art_file(arguments.work)), WORLDS[arguments.world]
    bars, _ = Check(art, settings, model, judge, folder, effort).run()
    print(f"\n{table(bars)}\n\n{folder}: check.json, check.txt and the sheets")


def require_art(arguments: Arguments) -> None:
    """Makes the art where it is missing."""
    if not art_file(arguments.work).exists():
        make_art(arguments)


def art_file(work: Path) -> Path:
    """Where the art lies in a work folder."""
    return work / "art.npz"


def open_world(arguments: Arguments) -> World:
    """The world named on the command line."""
    return World(Art.load(art_file(arguments.work)), WORLDS[arguments.world])


def parser() -> argparse.ArgumentParser:
    """The command line; stages that learn are added as further sub-commands."""
    top = argparse.ArgumentParser(prog="python -m sprites", description=__doc__)
    top.add_argument("--work", type=Path, default=Path("build/sprites"), help="work folder (default: %(default)s)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    add_command(commands, "art", make_art)
    world = add_command(commands, "world", make_world)
    add_world_options(world, number=60_000)
    world.add_argument("--folder", type=Path, help="where to (default: a name under the work folder)")
    world.add_argument("--workers", type=int, help="processes (default: one for each core)")
    subjects = add_command(commands, "subjects", make_subjects)
    subjects.add_argument("--demo", type=Path, metavar="FOLDER", help="write the demo subject's photos there too")
    subjects.set_defaults(world="small")
    add_world_options(add_command(commands, "sheet", make_sheet), number=100)
    stage = add_command(commands, "make", make_stage)
    stage.add_argument("stage", choices=STAGES)
    model = add_command(commands, "assemble", make_model)
    judge = add_command(commands, "assemble-judge", make_judge)
    everything = add_command(commands, "all", make_all)
    everything.set_defaults(stage="denoiser")
    check = add_command(commands, "check", make_check)
    check.add_argument("--model", type=Path, default=MODEL, metavar="FOLDER", help="default: %(default)s")
    check.add_argument("--judge", type=Path, default=JUDGE, metavar="FOLDER", help="default: %(default)s")
    check.add_argument("--quick", action="store_true", help="100 captions and 3 subjects instead of 300 and 12")
    judge.add_argument("--output", type=Path, default=JUDGE, help="default: %(default)s")
    for command in (stage, model, judge, everything, check):
        command.add_argument("--world", choices=sorted(WORLDS), default="small", help="default: %(default)s")
    for command in (stage, everything):
        command.add_argument("--minutes", type=float, default=1e9, help="time budget of a stage (default: none)")
        command.add_argument("--pictures", type=int, help="pictures that the denoiser sees")
    for command in (model, everything):
        command.add_argument("--output", type=Path, default=MODEL, help="default: %(default)s")
    return top


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Callable[[Arguments], None]
) -> argparse.ArgumentParser:
    """A sub-command that calls ``run``, described by its docstring."""
    command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
    command.set_defaults(run=run)
    return command


def add_world_options(command: argparse.ArgumentParser, number: int) -> None:
    """Which pictures of which world."""
    command.add_argument("--world", choices=sorted(WORLDS), default="small", help="default: %(default)s")
    command.add_argument("--number", type=int, default=number, help="how many pictures (default: %(default)s)")
    command.add_argument("--seed", type=int, default=11, help="default: %(default)s")
    command.add_argument("--size", type=int, default=64, help="pixels of a side (default: %(default)s)")


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when it fails for a reason that its message explains."""
    arguments = parser().parse_args(words)
    try:
        arguments.run(arguments)
    except RecipeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
