"""The house stands: floors import downward only, modules and functions stay small, every entry point loads."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {"schemas": set(), "warehouse": {"schemas"}, "flows": {"schemas", "warehouse"}}
# What each floor may import besides the standard library and the floors below.
ALLOWED = {
    "schemas": {"pyarrow"},
    "warehouse": {"pyarrow", "deltalake", "duckdb"},
}
# The last holds what the others share.
ENTRY_FILES = ("ingest", "publish", "scheduled", "bulk", "tracked")
# What flow runs hand to the jobs that they wrap; what a server is told.
BESIDE_THEM = ("following", "alerts")


def _modules(floor: str) -> list[Path]:
    return sorted((ROOT / floor).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_run_downward_only(floor: str) -> None:
    for path in _modules(floor):
        above = {name.split(".")[0] for name in _imports(path)} & (FLOORS.keys() - FLOORS[floor] - {floor})
        assert not above, f"{path} imports {above}"


@pytest.mark.parametrize("floor", ALLOWED)
def test_lower_floors_use_only_their_own_libraries(floor: str) -> None:
    for path in _modules(floor):
        names = {name.split(".")[0] for name in _imports(path)}
        foreign = names - set(sys.stdlib_module_names) - ALLOWED[floor] - FLOORS[floor] - {floor, ""}
        assert not foreign, f"{path} imports {foreign}"


def test_only_entry_files_import_prefect() -> None:
    for floor in FLOORS:
        for path in _modules(floor):
            if "prefect" in {name.split(".")[0] for name in _imports(path)}:
                assert path.parent.name == "flows" and path.stem in ENTRY_FILES + BESIDE_THEM, path


def test_entry_files_hold_flows_and_tasks_only() -> None:
    for stem in ENTRY_FILES:
        tree = ast.parse((ROOT / "flows" / f"{stem}.py").read_text())
        assert not [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


def test_flows_is_a_namespace_and_shadows_nothing() -> None:
    assert not (ROOT / "flows" / "__init__.py").exists()
    taken = set(sys.stdlib_module_names) | set(FLOORS) | {"prefect", "requests", "trafilatura", "duckdb", "lxml"}
    assert not {path.stem for path in (ROOT / "flows").glob("*.py")} & taken


@pytest.mark.parametrize("floor", FLOORS)
def test_modules_and_functions_stay_small(floor: str) -> None:
    for path in _modules(floor):
        text = path.read_text()
        assert len(text.splitlines()) <= 400, f"{path} is one room too many"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_every_deployment_loads_by_path_and_by_module() -> None:
    from prefect.flows import load_flow_from_entrypoint

    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert deployments
    for deployment in deployments:
        path, name = deployment["entrypoint"].split(":")
        by_path = load_flow_from_entrypoint(f"{ROOT / path}:{name}")
        by_module = load_flow_from_entrypoint(f"{path.removesuffix('.py').replace('/', '.')}.{name}")
        assert by_path.name == by_module.name
        assert by_path.parameters.model_dump() == by_module.parameters.model_dump()
        unknown = set(deployment["parameters"]) - set(by_path.parameters.properties)
        assert not unknown, f"{deployment['name']}: no such parameter {unknown}"


def test_parameters_of_flows_are_described() -> None:
    from prefect.flows import load_flow_from_entrypoint

    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        flow = load_flow_from_entrypoint(deployment["entrypoint"].replace("/", ".").replace(".py:", "."))
        for name, schema in flow.parameters.properties.items():
            assert schema.get("description"), f"{deployment['name']}({name}) has no description in the form"
