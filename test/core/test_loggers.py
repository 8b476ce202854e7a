"""Loggers of training runs: what is written, what a resumed run keeps, and what is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")

from cinet_core.cli import main
from cinet_core.training import loggers
from cinet_core.training.loggers import CsvLogger, check_loggers, make_loggers
from cinet_core.training.settings import Recipe
from cinet_core.training.settings_data import DataSettings
from cinet_core.training.settings_run import RunSettings

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "config" / "train"


def rows(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_line_for_each_figure(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.csv"
    logger = CsvLogger(path)
    assert not path.exists()
    logger.log_metrics({"train/total": 0.1, "stage": 1.0}, step=3)
    logger.log_metrics({"validation/new, with a comma": float("nan")}, step=4)
    assert rows(path) == ["step,name,value", "3,train/total,0.1", "3,stage,1.0", '4,"validation/new, with a comma",nan']


def test_a_resumed_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """Lines of steps that are done again go, as does the line in which the run was killed."""
    path = tmp_path / "metrics.csv"
    first = CsvLogger(path)
    for step in range(4):
        first.log_metrics({"a, b": step / 3}, step=step)
    with path.open("a") as file:
        file.write("1,tota")
    again = CsvLogger(path, first_step=2)
    again.log_metrics({"a, b": 9.0}, step=2)
    assert rows(path) == ["step,name,value", '0,"a, b",0.0', f'1,"a, b",{1 / 3!r}', '2,"a, b",9.0']


def test_a_new_run_keeps_nothing_of_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    CsvLogger(path).log_metrics({"a": 1.0}, step=0)
    CsvLogger(path).log_metrics({"b": 2.0}, step=0)
    assert rows(path) == ["step,name,value", "0,b,2.0"]


def recipe(output: Path, *names: str) -> Recipe:
    return Recipe("run", DataSettings("synthetic"), run=RunSettings(str(output), loggers=names))  # type: ignore[arg-type]


def test_loggers_come_in_their_order(tmp_path: Path) -> None:
    made = make_loggers(recipe(tmp_path, "csv", "tensorboard"), 0)
    assert [type(logger).__name__ for logger in made] == ["CsvLogger", "TensorBoardLogger"]
    assert make_loggers(recipe(tmp_path), 0) == []


def test_what_is_learnt_does_not_depend_on_the_loggers(tmp_path: Path) -> None:
    assert recipe(tmp_path, "csv").learning() == recipe(tmp_path, "tensorboard").learning()


@pytest.mark.parametrize("names", [("csv", "csv"), ("tensorbord",)])
def test_unknown_loggers_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="any of tensorboard, csv, wandb, each once"):
        RunSettings(loggers=names)  # type: ignore[arg-type]


def test_weights_and_biases_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said in one line, before anything is rendered or measured."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        loggers.importlib.util, "find_spec", lambda name, *rest: None if name == "wandb" else found(name, *rest)
    )
    config = str(CONFIGURATIONS / "synthetic_rooms.yaml")
    output = tmp_path / "run"
    assert main(["train", "--config", config, "run.loggers=[csv, wandb]", f"run.output={output}"]) == 2
    error = capsys.readouterr().err
    assert error == "cinet train: run.loggers has wandb, which is not installed: pip install wandb, or leave it out\n"
    assert not output.exists()
    check_loggers(["tensorboard", "csv"])


def test_weights_and_biases_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="an option of its own: pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    (logger,) = make_loggers(recipe(tmp_path, "wandb"), 0)
    logger.log_metrics({"train/total": 1.0}, step=0)
    logger.finalize("success")
    assert list((tmp_path / "wandb").glob("offline-run-*"))


def test_a_resumed_run_of_weights_and_biases_is_the_same_one(tmp_path: Path) -> None:
    path = tmp_path / "run" / loggers.WANDB_ID_FILE
    first = loggers._wandb_id(path, 0)
    assert loggers._wandb_id(path, 10) == first
    assert loggers._wandb_id(path, 0) != first
