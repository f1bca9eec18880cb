"""`python -m trainer_worker.priors`: fit, export, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from apa.errors import ApaError, InvalidArgument
from simulation.fashion_classifier import WEIGHTS_PATH
from trainer_worker.priors.adopt import write_adopted
from trainer_worker.priors.classifier import accuracy, load_labelled, save_classifier, train_classifier
from trainer_worker.priors.condition import write_condition
from trainer_worker.priors.data import TrainingData, load_images, load_vectors
from trainer_worker.priors.evaluate import evaluate_fashion
from trainer_worker.priors.export import (
    Provenance,
    attach_catalogue,
    export_checkpoint,
    read_catalogue_items,
)
from trainer_worker.priors.half_precision import store_in_half
from trainer_worker.priors.labels import with_labels
from trainer_worker.priors.options import FitOptions
from trainer_worker.priors.run import resolve_minutes, run_fit
from trainer_worker.priors.variance import measure_posterior_variance

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fit, export and evaluate priors.",
)


@app.command()
def fit(
    name: Annotated[str, typer.Option(help="The name that requests will use.")],
    out: Annotated[Path, typer.Option(help="The prior folder to write.")],
    data: Annotated[Path | None, typer.Option(help="Vectors: an .npy file of shape (M, D), float.")] = None,
    images: Annotated[Path | None, typer.Option(help="Images: a folder, an IDX file or an .npz.")] = None,
    items: Annotated[Path | None, typer.Option(help="A table that names the vectors: a catalogue.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Classes to condition on: an .npy or IDX file of numbers, or a column of the items."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Instead of steps: as many as fit in this time.")
    ] = None,
    batch: Annotated[int, typer.Option()] = 128,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 1.5e-3,
    seed: Annotated[int, typer.Option()] = 0,
    ema: Annotated[float, typer.Option(help="Decay of the averaged weights.")] = 0.999,
    width: Annotated[
        int | None, typer.Option(help="Width of the network: 48 for images, 256 for vectors.")
    ] = None,
    blocks: Annotated[int, typer.Option(help="Residual blocks per level and half.")] = 2,
    precision: Annotated[
        str,
        typer.Option(help="float32, or bfloat16: faster where the processor computes in it, else slower."),
    ] = "float32",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Where to keep the state; beside the folder unless set.")
    ] = None,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 250,
    half: Annotated[bool, typer.Option(help="Store the weights in float16, half the size.")] = False,
    resume: Annotated[bool, typer.Option(help="Continue from the checkpoint if there is one.")] = False,
    description: Annotated[str, typer.Option(help="For the card: what the prior makes.")] = "",
    data_description: Annotated[str, typer.Option(help="For the card: the data and its source.")] = "",
    licence: Annotated[str, typer.Option(help="For the card: the licence of the data.")] = "",
) -> None:
    """Fit a prior and write its folder."""
    if items and not data:
        raise InvalidArgument("items name vectors", field="items", expected="--data with --items", found="")
    training_data = _load(data, images)
    named = read_catalogue_items(items, len(training_data)) if items else None
    if labels:
        training_data = with_labels(training_data, labels, named)
    width = width or (256 if data else 48)
    chosen: dict[str, Any] = {
        "batch": batch,
        "lr": lr,
        "seed": seed,
        "ema": ema,
        "width": width,
        "blocks": blocks,
        "precision": precision,
    }
    if (steps is None) == (minutes is None):
        raise InvalidArgument("say how long", field="steps", expected="either --steps or --minutes", found="")
    if steps is None:
        steps = resolve_minutes(training_data, minutes or 0.0, chosen)
    options = FitOptions(steps=steps, **chosen)
    source = f"--data {data}" if data else f"--images {images}"
    source += f" --labels {labels}" if labels else ""
    command = _command(source, name, out, options, half)
    provenance = Provenance(name, description, data_description, licence, command)
    checkpoint = checkpoint or out.with_name(out.name + ".checkpoint")
    run_fit(training_data, options, provenance, checkpoint, checkpoint_every, resume)
    export_checkpoint(checkpoint, out)
    if half:
        store_in_half(out)
    if named:
        attach_catalogue(out, named, training_data.items.numpy())
    measure_posterior_variance(out, training_data, seed)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Option(help="A checkpoint of `fit`, finished or not.")],
    out: Annotated[Path, typer.Option(help="The prior folder to write.")],
    half: Annotated[bool, typer.Option(help="Store the weights in float16, half the size.")] = False,
) -> None:
    """Write the averaged weights of a checkpoint as a prior folder."""
    export_checkpoint(checkpoint, out)
    if half:
        store_in_half(out)


@app.command()
def variance(
    prior: Annotated[Path, typer.Option(help="A prior folder; its config gets the table.")],
    data: Annotated[Path | None, typer.Option(help="Vectors: an .npy file of shape (M, D), float.")] = None,
    images: Annotated[Path | None, typer.Option(help="Images: a folder, an IDX file or an .npz.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Measure the posterior variance, which the integrator `analytic` needs; `fit` does it at its end."""
    table = measure_posterior_variance(prior, _load(data, images), seed)
    for log_snr, value in zip(table.log_snr, table.variance, strict=True):
        print(f"log-SNR {log_snr:7.2f}  variance {value:.3g}")


@app.command()
def condition(
    prior: Annotated[Path, typer.Option(help="The folder of a prior that was fitted with --labels.")],
    label: Annotated[str, typer.Option(help="The class: its name on the card, or its number.")],
    name: Annotated[str, typer.Option(help="The name that requests will use.")],
    out: Annotated[Path, typer.Option(help="The prior folder to write; it points to the other.")],
    guidance_scale: Annotated[
        float, typer.Option(help="0 the whole prior, 1 the class, more exaggerates it.")
    ] = 1.0,
) -> None:
    """Write one class of a labelled prior as a prior folder of its own."""
    write_condition(prior, label, guidance_scale, name, out)


@app.command()
def adopt(
    path: Annotated[
        Path, typer.Option(help="A diffusers folder: a UNet2DModel or a text-to-image pipeline.")
    ],
    name: Annotated[str, typer.Option(help="The name that requests will use.")],
    out: Annotated[Path, typer.Option(help="The prior folder to write; it points to the other.")],
    prompt: Annotated[str | None, typer.Option(help="For a text-to-image pipeline, which needs one.")] = None,
    negative_prompt: Annotated[str, typer.Option(help="What guidance leads away from.")] = "",
    guidance_scale: Annotated[float, typer.Option(help="1 the prompt as it is, more exaggerates it.")] = 7.5,
    description: Annotated[str, typer.Option(help="For the card: what the prior makes.")] = "",
    data_description: Annotated[str, typer.Option(help="For the card: the data and its source.")] = "",
    licence: Annotated[str, typer.Option(help="For the card: the licence of the data.")] = "",
) -> None:
    """Write a prior folder for a model of your own in the diffusers format."""
    about = Provenance(name, description, data_description, licence, training_command="")
    write_adopted(path, out, about, prompt, negative_prompt, guidance_scale)


@app.command()
def evaluate(
    prior: Annotated[Path, typer.Option(help="A prior folder of Fashion-MNIST; its card gets the figures.")],
    dataset: Annotated[Path, typer.Option(help="The folder of the four Fashion-MNIST files.")],
    num: Annotated[int, typer.Option(help="Samples to draw.")] = 2000,
    steps: Annotated[int, typer.Option(help="Denoiser evaluations per sample.")] = 50,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Measure the fashion prior by the classifier; write samples.png and the card's quality."""
    for name, value in evaluate_fashion(prior, dataset, num, steps, seed).items():
        print(f"{name:28} {value:g}")


@app.command()
def classifier(
    dataset: Annotated[Path, typer.Option(help="The folder of the four Fashion-MNIST files.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")] = WEIGHTS_PATH,
    epochs: Annotated[int, typer.Option()] = 10,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Train the classifier that judges the fashion prior."""
    train, test = (
        load_labelled(dataset / f"{part}-images-idx3-ubyte.gz", dataset / f"{part}-labels-idx1-ubyte.gz")
        for part in ("train", "t10k")
    )
    trained = train_classifier(train, epochs, seed)
    save_classifier(trained, out)
    print(f"test accuracy {accuracy(trained, test):.4f}")


def _command(source: str, name: str, out: Path, options: FitOptions, half: bool) -> str:
    """The command for the card: it names all that decides the weights."""
    stored = " --half" if half else ""
    options_given = options.as_arguments()
    return f"python -m trainer_worker.priors fit {source} --name {name} --out {out} {options_given}{stored}"


def _load(data: Path | None, images: Path | None) -> TrainingData:
    if data and not images:
        return load_vectors(data)
    if images and not data:
        return load_images(images)
    found = "both" if data else "neither"
    raise InvalidArgument(
        "say what to fit on", field="data", expected="either --data or --images", found=found
    )


def main() -> None:
    """Run a command; an expected error is one line on stderr and exit status 1."""
    try:
        app()
    except ApaError as error:
        _fail(error)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        found = str(first["input"])
        _fail(InvalidArgument("an option is wrong", field=field, expected=first["msg"], found=found))


def _fail(error: ApaError) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise SystemExit(1) from None
