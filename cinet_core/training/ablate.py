"""From a recipe to the paper's ablation table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.ablation_report import AblationReport
from cinet_core.progress import SILENT, Progress
from cinet_core.training.ablation import run_ablation, variants_named
from cinet_core.training.errors import explained
from cinet_core.training.recipe_file import read_recipe
from cinet_core.training.settings import Recipe
from cinet_core.training.settings_optimizer import StageSettings

__all__ = ["ablate"]


def ablate(
    recipe: Recipe | str | Path,
    *,
    rows: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    jobs: int = 1,
    split: Split = "test",
    limit: int | None = None,
    common_epochs: int = 0,
    common_rate: float = 0.1,
    progress: Progress = SILENT,
) -> AblationReport:
    """Train the rows of the paper's Tables 1 and 3 by one recipe, with the same seeds, and score them.

    Each run has a folder of its own in ``run.output`` of the recipe. Finished runs are not run again, and interrupted
    ones go on.

    Args:
        recipe: of all rows, an object or a YAML file.
        rows: names of some of them, such as "baseline" or "sum_fsm"; None = all.
        seeds: each row is trained with each of them, so that rows can be compared in pairs.
        jobs: runs at a time, each a process of its own: a script needs ``if __name__ == "__main__":`` for that.
        split: "validation" to choose a recipe by, "test" to report the chosen one.
        limit: score on at most so many frames of that split, evenly spread; None = all.
        common_epochs: train the baseline so long first, and let all runs start from it; see `run_ablation`.
        common_rate: learning rate of that common start, which falls by "poly".
        progress: is told of the runs, and notes each that is done.

    Returns:
        The metrics of the last weights on that split by row and seed, with tables and comparisons.

    Raises:
        SourceError, CheckpointError, ImageNetWeightsError, ResumeError: a run could not start.
        ValueError: no such row, a setting does not fit another, or the recipe has more than one process a run.
        TrainingError: a run began, and could not go on.
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    variants = variants_named(rows)
    done = 0

    def finished(name: str) -> None:
        nonlocal done
        done += 1
        progress.note(f"done: {name}")
        progress.advance(done)

    progress.begin("runs", len(variants) * len(seeds))
    common = StageSettings(common_epochs, common_rate, "poly") if common_epochs else None
    with explained():
        metrics = run_ablation(recipe, variants, seeds, Path(recipe.run.output), jobs, split, limit, common, finished)
    data = recipe.data
    return AblationReport(f"{recipe.name}, {data.width}x{data.height}, {split} split", metrics)
