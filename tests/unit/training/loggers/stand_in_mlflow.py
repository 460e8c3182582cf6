"""As much of MLflow as the logger asks of it, in memory: where the package itself is not there, the logger is tested with this."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple


class Metric(NamedTuple):
    """A point of a curve."""

    key: str
    value: float
    timestamp: int
    step: int


class Param(NamedTuple):
    """A hyper-parameter."""

    key: str
    value: str


class RunTag(NamedTuple):
    """What is known of a run besides."""

    key: str
    value: str


def modules() -> dict[str, ModuleType]:
    """`mlflow` and what the logger imports of it, with a store that is empty."""
    stores: dict[str, dict[str, Any]] = {}

    class MlflowClient:
        def __init__(self, tracking_uri: str) -> None:
            assert tracking_uri.startswith("file:///")
            self._store = stores.setdefault(tracking_uri, {"experiments": {}, "runs": []})

        def get_experiment_by_name(self, name: str) -> Any:
            return self._store["experiments"].get(name)

        def create_experiment(self, name: str) -> str:
            assert name not in self._store["experiments"]
            self._store["experiments"][name] = SimpleNamespace(experiment_id="1")
            return "1"

        def create_run(self, experiment_id: str, run_name: str) -> Any:
            assert experiment_id == "1"
            info = SimpleNamespace(run_id=str(len(self._store["runs"])), run_name=run_name, status="RUNNING")
            data = SimpleNamespace(params={}, tags={"mlflow.runName": run_name}, metrics={})
            self._store["runs"].append((SimpleNamespace(info=info, data=data), []))
            return self._store["runs"][-1][0]

        def search_runs(self, experiment_ids: list[str], max_results: int = 1000) -> list[Any]:
            assert experiment_ids == ["1"]
            return [run for run, _ in self._store["runs"]][:max_results]

        def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
            return [point for point in self._store["runs"][int(run_id)][1] if point.key == key]

        def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
            run, points = self._store["runs"][int(run_id)]
            assert len(params) <= 100
            assert len(metrics) <= 1000
            for point in metrics:
                points.append(point)
                run.data.metrics[point.key] = point.value
            for param in params:
                assert run.data.params.setdefault(param.key, param.value) == param.value
            run.data.tags.update({tag.key: tag.value for tag in tags})

        def update_run(self, run_id: str, status: str) -> None:
            self._store["runs"][int(run_id)][0].info.status = status

        set_terminated = update_run

    entities, tracking = ModuleType("mlflow.entities"), ModuleType("mlflow.tracking")
    entities.__dict__.update(Metric=Metric, Param=Param, RunTag=RunTag)
    tracking.__dict__.update(MlflowClient=MlflowClient)
    return {"mlflow": ModuleType("mlflow"), "mlflow.entities": entities, "mlflow.tracking": tracking}
