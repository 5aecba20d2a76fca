"""The command that compares sets of samples: distance."""

from typing import Annotated

import typer

from simclr.cli.options import at_most, output_path

_SET = "A run (its own data), data, or features (.npy, .npz); behind a colon a part, such as a class or west."


def distance(
    a: Annotated[str, typer.Argument(metavar="A", help=_SET)],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="data.KEY=VALUE", help="More about data that is no run's, e.g. data.ground_truth=FILE"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="The encoder that sees A and B; by default that of the run among them."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="For distance.json, its picture, report.html; by default runs/distance-A-B."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(metavar="N", min=8, callback=at_most(20_000), help="Drawn of each set, at most.")
    ] = 1_000,
    angles: Annotated[
        int, typer.Option(metavar="N", min=1, callback=at_most(10_000), help="Dimensions of the subspaces, at most.")
    ] = 10,
    permutations: Annotated[
        int, typer.Option(metavar="N", min=1, callback=at_most(1_000_000), help="Behind each p value.")
    ] = 999,
    splits: Annotated[
        int, typer.Option(metavar="N", min=1, callback=at_most(1_000), help="Random splits of A in two.")
    ] = 5,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all that is drawn, and of random weights.")] = 0,
) -> None:
    """Measure how far two sets of samples lie apart, and what comes out between random halves of the first.

    Example: [bold]simclr distance runs/scene new.mat[/bold], or of parts of data, or of features from anywhere:
    [bold]simclr distance runs/scene:west runs/scene:east[/bold], [bold]simclr distance a.npy b.npy[/bold]
    """
    from simclr.eval.set_words import named_pair

    named, folder = named_pair(a, b, encoder), output_path(output, "folder")

    from simclr.eval.distance_command import run_distance
    from simclr.launch import keep_freed_memory

    keep_freed_memory()
    run_distance(
        named,
        overrides or [],
        output=folder,
        samples=samples,
        angles=angles,
        permutations=permutations,
        splits=splits,
        seed=seed,
    )
