"""From bags to weights: extract, label, divide, select, train, interpolate, calibrate, score, keep what is no worse."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cinet_core.adaptation.divide import FIGURES, divide
from cinet_core.adaptation.figures import ROOMS, TestSet, changes, figures_of, refusals
from cinet_core.adaptation.interpolation import farthest, write_between
from cinet_core.adaptation.recipe import adaptation_recipe
from cinet_core.adaptation.report import AdaptationReport
from cinet_core.adaptation.settings import AdaptationSettings
from cinet_core.adaptation.steps import AdaptationError, Steps
from cinet_core.atomic_file import atomic_write, atomic_write_bytes, remove_unfinished
from cinet_core.data.frame_files import SourceError
from cinet_core.data.recording import has_poses
from cinet_core.data.registry import SYNTHETIC_ROOMS, resolved_kind
from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.calibration import calibrate
from cinet_core.inference.export import export_any_size
from cinet_core.inference.onnx_file import ExportError
from cinet_core.jobs import Job, JobResult, Part, PartRecord, parts_of_inputs, run_local
from cinet_core.jobs.dask_engine import run_on_dask
from cinet_core.jobs.job import PLACE
from cinet_core.model_metadata import read_metadata, weights_path
from cinet_core.progress import SILENT, Progress
from cinet_core.training.train import train

__all__ = ["BEST", "GRAPH", "REPORT", "adapt"]

BEST, GRAPH, REPORT = "best.safetensors", "best.onnx", "report"


def adapt(
    bags: Sequence[str | Path],
    output: str | Path,
    settings: AdaptationSettings | None = None,
    *,
    workers: int = 0,
    scheduler: str = "",
    progress: Progress = SILENT,
) -> AdaptationReport:
    """Adapt weights to recordings, and judge them on rooms of these that nothing was learnt from.

    Started again after it was interrupted, it goes on where it was. Steps are done again where recordings, settings or
    what came out of a step before have changed.

    Args:
        bags: recordings: folders of bags, .db3 or .mcap files.
        output: folder for all that is made; the weights are its ``best.safetensors`` and ``best.onnx``, the report its
            ``report.md`` and ``report.json``.
        settings: see there.
        workers: processes that extract and label; 0: one for each core.
        scheduler: address of a Dask scheduler whose workers do so instead; empty: this machine.
        progress: is told of each step.

    Raises:
        AdaptationError: no frame could be used, or there is only one room.
        JobError: the folder was begun with other settings of extraction or labelling.
        CheckpointError, SourceError, ValueError: weights, rooms, recipe or settings cannot be used.
        TrainingError: the training could not go on.
        OSError: a file cannot be written.
    """
    return _Adaptation(Path(output), settings or AdaptationSettings(), workers, scheduler, progress).run(bags)


class _Adaptation:
    def __init__(
        self, folder: Path, settings: AdaptationSettings, workers: int, scheduler: str, progress: Progress
    ) -> None:
        self.folder, self.settings = folder, settings
        self._workers, self._scheduler, self._progress = workers, scheduler, progress
        self.metadata = read_metadata(settings.weights)
        self.steps = Steps(folder)
        self.notes: list[str] = []
        self.counts: dict[str, int] = {}

    def run(self, bags: Sequence[str | Path]) -> AdaptationReport:
        # A recipe that is none is said now, not after hours of labelling.
        adaptation_recipe(self.settings, self.metadata, self.folder / "chosen", 2, self.folder / "training")
        extracted = self._extract(bags)
        labelled = self._label(extracted)
        divided = self._divide(labelled)
        chosen = self._select(divided)
        trained = self._train(chosen)
        borne = self._interpolate(trained)
        calibrated = self._calibrate(borne, chosen)
        before, after = self._score(calibrated, divided)
        found = changes(before, after)
        refused = refusals(found, self.settings.worse, self.settings.worse_points)
        best, graph = self._keep(calibrated, refused)
        records = [*extracted.records, *labelled.records]
        report = AdaptationReport(
            folder=self.folder,
            best=best,
            graph=graph,
            refused=tuple(refused),
            changes=tuple(found),
            frames={name: int(values["frames"]) for name, values in before.items()},
            counts=self.counts,
            failed=_reasons(records, "failed"),
            faults=_reasons(records, "faults"),
            settings=self.settings.to_dict(),
            costs=self.steps.costs,
            notes=tuple(self.notes),
        )
        for suffix, text in (("md", report.markdown()), ("json", json.dumps(report.to_dict(), indent=1) + "\n")):
            atomic_write_bytes(self.folder / f"{REPORT}.{suffix}", text.encode())
        return report

    def _extract(self, bags: Sequence[str | Path]) -> JobResult:
        options = ("--without-depth", *self.settings.extract)
        job = Job(str(self.folder / "extracted"), ("bag", "extract"), parts_of_inputs(bags), options)
        return self._job("extract", job)

    def _label(self, extracted: JobResult) -> JobResult:
        parts = []
        for record in extracted.with_outcome("done", "faults"):
            path = self.folder / "extracted" / "parts" / record.part
            if (path / "frames.jsonl").is_file():
                parts.append(Part(record.part, (str(path), PLACE), (str(path),)))
        if not parts:
            reasons = "; ".join(f"{r.part}: {_last(r.error)}" for r in extracted.records)
            raise AdaptationError(f"no recording has a frame that can be used: {reasons}")
        teachers = self.settings.teachers or (self.settings.weights,)
        words = [word for teacher in teachers for word in ("--teacher", str(teacher))]
        options = (*words, "--device", self.settings.device, *self.settings.label)
        return self._job("label", Job(str(self.folder / "labelled"), ("data", "label"), tuple(parts), options))

    def _job(self, name: str, job: Job) -> JobResult:
        """Do a job; its own records tell what is done, the step only what it took."""
        results: list[JobResult] = []

        def work() -> dict[str, Any]:
            results.append(self._run(job))
            seconds = sum(record.processor_seconds for record in results[-1].records if not record.skipped)
            return {"processor_seconds": seconds}

        # Whatever has changed is seen by the job itself.
        self.steps.do(name, [job.settings(), [part.name for part in job.parts]], work)
        result = results[-1] if results else self._run(job)
        for outcome in ("done", "faults", "failed"):
            count = len(result.with_outcome(outcome))
            if count:
                self.counts[f"{name}: recordings {outcome}"] = count
        busy = result.with_outcome("busy")
        if busy:
            raise AdaptationError(f"{busy[0].part} is in the hands of another process ({busy[0].error}): wait for it")
        return result

    def _run(self, job: Job) -> JobResult:
        if self._scheduler:
            return run_on_dask(job, self._scheduler, progress=self._progress)
        return run_local(job, workers=self._workers, progress=self._progress)

    def _divide(self, labelled: JobResult) -> dict[str, Any]:
        records = labelled.with_outcome("done", "faults")
        parts = [self.folder / "labelled" / "parts" / record.part for record in records]
        place = self.folder / "divided"
        foreign = self.settings.taught_by_others

        def work() -> dict[str, Any]:
            found = divide(parts, place, self.settings.held_out, foreign)
            return {
                "rooms": list(found.rooms),
                "train": found.train_frames,
                "held_out": found.held_out_frames,
                "figures": found.figures,
            }

        facts = [[record.part, record.fingerprint] for record in records]
        found = self.steps.do("divide", [facts, self.settings.held_out, foreign], work, [place])
        self.counts |= {
            "frames to learn from": found["train"],
            "frames held out": found["held_out"],
            "rooms held out": len(found["rooms"]),
        }
        if not found["figures"]:
            raise AdaptationError(
                "no held-out frame has a truth to be judged by: record a scan, sensor depth or odometry with the "
                "images, or hold out more"
            )
        return found

    def _select(self, divided: dict[str, Any]) -> Path:
        train_folder, place = self.folder / "divided" / "train", self.folder / "chosen"
        if divided["train"] <= self.settings.frames:
            self.counts["frames chosen"] = divided["train"]
            return train_folder

        def work() -> dict[str, Any]:
            from cinet_core.selection import select_frames

            report = select_frames(
                [train_folder],
                place,
                self.settings.frames,
                weights=self.settings.weights,
                device=self.settings.device,
                progress=self._progress,
            )
            return {"chosen": len(report.chosen)}

        looks = _hash(weights_path(self.settings.weights))
        found = self.steps.do("select", [self.settings.frames, looks], work, [place])
        self.counts["frames chosen"] = found["chosen"]
        return place

    def _train(self, frames: Path) -> Path:
        place = self.folder / "training"
        lines = (frames / "frames.jsonl").read_text(encoding="utf-8").splitlines()
        rooms = len({json.loads(line)["frame"].rpartition("_")[0] for line in lines})
        recipe = adaptation_recipe(self.settings, self.metadata, frames, rooms, place)

        def work() -> dict[str, Any]:
            result = train(recipe, resume=(place / "last.ckpt").exists(), progress=self._progress)
            return {"weights": str((result.best or result.last).relative_to(self.folder))}

        start = _hash(weights_path(self.settings.weights))
        found = self.steps.do("train", [recipe.learning(), start], work, [place])
        if rooms < 2:
            self.notes.append("the frames to learn from are of one room: the last weights were taken, not the best")
        return self.folder / str(found["weights"])

    def _interpolate(self, trained: Path) -> Path:
        """As much of what was learnt as the rooms bear, told by their validation part: no figure of it judges."""
        settings, folder = self.settings, self.folder / "interpolated"
        if settings.interpolation == (1.0,):
            return trained
        sets = [self._rooms("validation")]
        facts = [asdict(sets[0]), settings.test_frames]

        def scored(weights: str | Path) -> dict[str, Any]:
            return {"figures": figures_of(weights, sets, settings.test_frames, settings.device, self._progress)}

        def path_of(part: float) -> Path:
            return folder / f"{part:g}.safetensors"

        def mixed(part: float) -> dict[str, Any]:
            folder.mkdir(exist_ok=True)
            write_between(settings.weights, trained, part, path_of(part))
            return scored(path_of(part))

        try:
            before = self.steps.do("interpolate_before", facts, lambda: scored(settings.weights))
            found = {
                part: self.steps.do(f"interpolate_{part:g}", facts, partial(mixed, part), [path_of(part)])["figures"]
                for part in settings.interpolation
            }
        except (SourceError, ValueError) as error:
            self.notes.append(f"all of what was learnt was taken: {error}")
            return trained
        part, borne = farthest(before["figures"], found, settings.worse, settings.worse_points)
        if part < 1 or not borne:
            bear = "is as much as" if borne else "is more than"
            self.notes.append(
                f"{100 * part:g} % of the way from the weights before to those that were trained {bear} the rooms that "
                "must not get worse bear, by their validation part"
            )
        return path_of(part)

    def _rooms(self, split: Split) -> TestSet:
        settings, options = self.settings, dict(self.settings.rooms_options)
        # Of rooms without end as many as may be scored: what is chosen by few is chosen by chance.
        if resolved_kind(settings.rooms, settings.rooms_kind) == SYNTHETIC_ROOMS:
            options = {"validation_length": settings.test_frames, "test_length": settings.test_frames} | options
        return TestSet(ROOMS, settings.rooms, settings.rooms_kind, split, options or None)

    def _calibrate(self, weights: Path, frames: Path) -> Path:
        place = self.folder / "calibrated.safetensors"

        def work() -> dict[str, Any]:
            options = {"test_fraction": 0.0, "validation_fraction": 0.15}
            try:
                found = calibrate(
                    frames, weights, place, check=None, kind="folder", options=options, progress=self._progress
                )
            except ValueError as error:
                shutil.copyfile(weights, place)
                return {"note": f"confidence is not calibrated: {error}"}
            return {"temperature": found.temperature, "uncertainty_factor": found.uncertainty_factor}

        found = self.steps.do("calibrate", [weights.name], work, [place])
        if "note" in found:
            self.notes.append(found["note"])
        return place

    def _score(self, weights: Path, divided: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        sets = []
        for name in FIGURES:
            root = self.folder / "divided" / name
            if name in divided["figures"]:
                sets.append(TestSet(name, str(root), "recording" if has_poses(root) else "folder"))
        sets.append(self._rooms("test"))
        facts = [[item.root, item.kind] for item in sets] + [self.settings.test_frames]

        def scored(which: str | Path) -> dict[str, Any]:
            return figures_of(which, sets, self.settings.test_frames, self.settings.device, self._progress)

        before = self.steps.do("score_before", facts, lambda: {"figures": scored(self.settings.weights)})
        after = self.steps.do("score_after", facts, lambda: {"figures": scored(weights)})
        return before["figures"], after["figures"]

    def _keep(self, weights: Path, refused: Sequence[str]) -> tuple[Path | None, Path | None]:
        best, graph = self.folder / BEST, self.folder / GRAPH
        if refused:
            for path in (best, graph):
                path.unlink(missing_ok=True)
            return None, None

        def work() -> dict[str, Any]:
            remove_unfinished(best)
            with atomic_write(best) as file:
                file.write(weights.read_bytes())
            try:
                export_any_size(best, graph)
            except ExportError as error:
                return {"note": f"no {GRAPH}: {error}"}
            return {}

        found = self.steps.do("export", _hash(weights), work, [best])
        if "note" in found:
            self.notes.append(found["note"])
        return best, graph if graph.is_file() else None


def _reasons(records: Sequence[PartRecord], outcome: str) -> dict[str, str]:
    return {record.part: _last(record.error) for record in records if record.outcome == outcome}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _last(text: str) -> str:
    return (text.splitlines() or [""])[-1]
