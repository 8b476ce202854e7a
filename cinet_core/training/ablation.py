"""The paper's ablation (Tables 1 and 3): the same recipe with parts of the network left out, over several seeds."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cinet_core.atomic_file import atomic_write
from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.ablation_report import BALANCED_BASELINE, TUNED, further_row
from cinet_core.evaluation.evaluate import evaluate_model
from cinet_core.evaluation.scored_data import open_scored
from cinet_core.inference.torch_backend import resolve_device
from cinet_core.losses.recipe import Balance, Teacher
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.tasks import TASKS
from cinet_core.training.checkpoints import FINAL_FILE
from cinet_core.training.data import TrainingData
from cinet_core.training.settings import Recipe
from cinet_core.training.settings_optimizer import StageSettings, StagesSettings

__all__ = [
    "BASELINE",
    "EVALUATION_FILE",
    "VARIANTS",
    "AblationVariant",
    "run_ablation",
    "train_and_score",
    "variants_named",
]

EVALUATION_FILE = "evaluation.json"
COMMON_FOLDER = "common-start"
SHARING_GRADIENT = 0.1
"""Of the tuned row, chosen on validation rooms (docs/training.md)."""


@dataclass(frozen=True)
class AblationVariant:
    """A row of the table.

    Attributes:
        name: as the paper calls it.
        scene_understanding, sharing: see ModelConfig.
        consistency: the consistency loss is active in stage 3.
        supervise_attention: see LossSettings.
        tasks: what is learnt beyond depth and segmentation.
        teacher, balance, sharing_gradient: see LossSettings; None as in the recipe.
    """

    name: str
    scene_understanding: bool
    sharing: str
    consistency: bool = False
    supervise_attention: bool = True
    tasks: tuple[str, ...] = ()
    teacher: Teacher | None = None
    balance: Balance | None = None
    sharing_gradient: float | None = None

    @property
    def slug(self) -> str:
        """The name, fit for a folder."""
        return re.sub("[+, ]+", "_", self.name.lower()).strip("_")

    def applied(self, recipe: Recipe, seed: int, output: Path) -> Recipe:
        """The recipe of one run of this row: same data, steps and learning rates, same seed as the other rows'."""
        overrides = {"scene_understanding": self.scene_understanding, "sharing": self.sharing}
        tasks = (*DEFAULT_TASKS, *self.tasks) if self.tasks else recipe.model.tasks
        return replace(
            recipe,
            name=f"{recipe.name}: {self.name}, seed {seed}",
            model=replace(recipe.model, overrides={**recipe.model.overrides, **overrides}, tasks=tasks),
            losses=replace(
                recipe.losses,
                consistency=self.consistency,
                supervise_attention=self.supervise_attention,
                teacher=self.teacher or recipe.losses.teacher,
                balance=self.balance or recipe.losses.balance,
                sharing_gradient=(
                    recipe.losses.sharing_gradient if self.sharing_gradient is None else self.sharing_gradient
                ),
            ),
            # One process a run: Lightning would start the others by repeating this whole command.
            run=replace(recipe.run, seed=seed, output=str(output / f"{self.slug}-seed{seed}"), devices=1, nodes=1),
        )


BASELINE = AblationVariant("Baseline", False, "none")
VARIANTS = (
    BASELINE,
    AblationVariant("+FSM", False, "fsm"),
    AblationVariant("+LSU", False, "lsu"),
    AblationVariant("+SUM", True, "none"),
    AblationVariant("+SUM+FSM", True, "fsm"),
    AblationVariant("Full", True, "fsm", consistency=True),
    AblationVariant("Full without attention loss", True, "fsm", consistency=True, supervise_attention=False),
    AblationVariant("Full, no stage 1", True, "fsm", consistency=True, teacher="none"),
    AblationVariant("Full, annealed", True, "fsm", consistency=True, teacher="annealed"),
    AblationVariant("Full, uncertainty weighting", True, "fsm", consistency=True, balance="uncertainty"),
    AblationVariant("Full, gradient normalisation", True, "fsm", consistency=True, balance="gradients"),
    AblationVariant(BALANCED_BASELINE, False, "none", balance="uncertainty"),
    AblationVariant(
        TUNED, True, "fsm", consistency=True, teacher="none", balance="uncertainty", sharing_gradient=SHARING_GRADIENT
    ),
    *(
        AblationVariant(further_row(task.name), True, "fsm", consistency=True, tasks=(task.name,))
        for task in TASKS
        if task.name not in DEFAULT_TASKS
    ),
)
"""Table 1, the LSU row of Table 3, the network whose attention is left to find itself (Fig. 6), the full network taught
and balanced otherwise ("no stage 1" spends its steps as stage 2 does), what came out best of these beside a baseline
that is balanced alike, and the network with each further task: does learning it help depth and labels?"""


def variants_named(names: Sequence[str] | None) -> tuple[AblationVariant, ...]:
    """The rows with these names or slugs; all of them for None.

    Raises:
        ValueError: there is no such row.
    """
    if names is None:
        return VARIANTS
    known = {variant.slug: variant for variant in VARIANTS} | {variant.name: variant for variant in VARIANTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"there is no row {unknown[0]!r}: choose of {', '.join(variant.slug for variant in VARIANTS)}")
    return tuple(known[name] for name in names)


def run_ablation(
    recipe: Recipe,
    variants: Sequence[AblationVariant],
    seeds: Sequence[int],
    output: Path,
    jobs: int = 1,
    split: Split = "test",
    limit: int | None = None,
    common: StageSettings | None = None,
    finished: Callable[[str], None] | None = None,
) -> dict[str, dict[int, dict[str, float]]]:
    """Train and score every row with every seed; what was finished before is not run again.

    With a `common` start the baseline is trained first, once, and all rows and seeds start from its weights: the part
    that they share is paid for once, and seeds differ less. It favours the baseline, whose weights these are: the parts
    that other rows add start anew, and disturb it first. Claim no order from it unless the rows are trained long.

    Args:
        recipe: of all rows.
        variants: the rows.
        seeds: each row is trained with each of them, so that rows can be compared in pairs.
        output: folder; each run has its own in it, and is resumed there.
        jobs: runs at a time, each in a process of its own.
        split: scored on; see `ablate`.
        limit: score on at most so many frames of it, evenly spread.
        common: length and speed of the common start; None: every run starts as the recipe says.
        finished: called with the name of each run.

    Returns:
        Metrics of the last weights on the split, by row and seed: see `Evaluation.metrics`.

    Raises:
        SourceError, CheckpointError, ImageNetWeightsError, ValueError: a run could not start.
        TrainingDivergedError: a loss is no longer finite.
    """
    if recipe.run.devices not in ("auto", 1) or recipe.run.nodes != 1:
        raise ValueError(
            f"run.devices is {recipe.run.devices}, run.nodes {recipe.run.nodes}: the runs of an ablation have one "
            "process each; start it once for each GPU (CUDA_VISIBLE_DEVICES), with other --seeds"
        )
    TrainingData(recipe.data, recipe.optimizer.batch_size, recipe.run.seed).setup()  # before the first process
    if common is not None:
        start = _common_start(recipe, common, output)
        _in_fresh_process(start, split, limit)
        model = replace(recipe.model, checkpoint=str(Path(start.run.output) / FINAL_FILE))
        recipe = replace(recipe, model=model)
    metrics: dict[str, dict[int, dict[str, float]]] = {variant.name: {} for variant in variants}
    # Seed by seed, so that an interrupted ablation has whole sets of rows.
    planned = [(variant, seed, variant.applied(recipe, seed, output)) for seed in seeds for variant in variants]
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {
            pool.submit(_in_fresh_process, own, split, limit): (variant, seed, own) for variant, seed, own in planned
        }
        try:
            for future in as_completed(waiting):
                variant, seed, own = waiting[future]
                metrics[variant.name][seed] = future.result()
                if finished is not None:
                    finished(own.name)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return metrics


def _common_start(recipe: Recipe, length: StageSettings, output: Path) -> Recipe:
    """The baseline, trained for so long in one stage."""
    none = replace(length, epochs=0)
    start = BASELINE.applied(replace(recipe, stages=StagesSettings(none, none, length)), recipe.run.seed, output)
    return replace(
        start, name=f"{recipe.name}: common start", run=replace(start.run, output=str(output / COMMON_FOLDER))
    )


def _in_fresh_process(recipe: Recipe, split: Split, limit: int | None) -> dict[str, float]:
    """Memory is given back after each run, and no state of one can reach another."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(train_and_score, recipe, split, limit).result()


def train_and_score(recipe: Recipe, split: Split = "test", limit: int | None = None) -> dict[str, float]:
    """One run: trained, or gone on with, and scored with its last weights on a split.

    The last weights, not the best: all rows get the same number of steps, and none a choice.
    """
    from cinet_core.checkpoint import load_checkpoint
    from cinet_core.training.preparation import prepare
    from cinet_core.training.run import check_run, fit

    folder = Path(recipe.run.output)
    # With the place of the data, unlike a resumed run: the same command with other data asks for other metrics.
    identity = {
        "learning": recipe.learning(),
        "data": [recipe.data.root, *(other.root for other in recipe.data.mix)],
        "start": _digest(recipe.model.checkpoint),
        "split": split,
        "limit": limit,
    }
    stored = _stored(folder / EVALUATION_FILE, identity)
    if stored is not None:
        return stored
    resume_from = check_run(recipe, resume=True)
    fit(prepare(recipe), resume_from)
    checkpoint = load_checkpoint(folder / FINAL_FILE)
    data = recipe.data
    # The split of a data set is scored as its protocols say, not as training read it.
    options = {name: value for name, value in data.options.items() if name not in ("depth", "label_set")}
    dataset, raw = open_scored(data.root, split, data.kind, options, checkpoint.metadata.label_set)
    device = resolve_device("cpu" if recipe.run.accelerator == "cpu" else "auto")
    camera = checkpoint.metadata.camera
    evaluation = evaluate_model(checkpoint.model, camera, dataset, raw=raw, device=device, limit=limit)
    found = evaluation.metrics()
    entry = {**identity, "metrics": found, "evaluation": evaluation.to_dict()}
    with atomic_write(folder / EVALUATION_FILE) as file:
        file.write(json.dumps(entry, indent=1).encode())
    return found


def _stored(path: Path, identity: dict[str, Any]) -> dict[str, float] | None:
    """Metrics of a run that was finished before, if it was this one."""
    try:
        entry: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return entry.get("metrics") if identity.items() <= entry.items() else None


def _digest(checkpoint: str | None) -> str | None:
    """Of the file that a run starts from: another one under the same name is another start."""
    from cinet_core.checkpoint import weights_path

    return None if checkpoint is None else hashlib.sha256(weights_path(checkpoint).read_bytes()).hexdigest()
