"""What `pip install morelli` brings is what the tree holds: nothing is forgotten, nothing added."""

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLDERS = ("data_pipeline", "model", "eval", "training", "serve")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def files_of_the_tree() -> set[str]:
    """Every file of the five folders, as a path inside the installed distribution."""
    return {
        f"morelli/{path.relative_to(ROOT).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy, since setuptools leaves a build folder where it works."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    done = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (tree / "dist").glob("*.whl")
    return zipfile.ZipFile(built)


def members(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_every_module_and_data_file(wheel: zipfile.ZipFile) -> None:
    assert sorted(files_of_the_tree() - members(wheel)) == []


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert sorted(members(wheel) - files_of_the_tree()) == []


def test_every_folder_with_modules_is_a_listed_package() -> None:
    listed = set(PYPROJECT["tool"]["setuptools"]["packages"])
    found = {name.rpartition("/")[0] for name in files_of_the_tree() if name.endswith(".py")}
    assert {folder.replace("/", ".") for folder in found} <= listed


def test_every_package_says_that_it_is_typed() -> None:
    assert {f"morelli/{folder}/py.typed" for folder in FOLDERS} <= files_of_the_tree()


def test_the_command_is_installed(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
    scripts = configparser.ConfigParser()
    scripts.read_string(wheel.read(name).decode())
    assert scripts["console_scripts"]["morelli"] == "morelli.serve.cli:main"


def test_the_licence_travels_with_the_wheel(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()


def pins() -> dict[str, str]:
    """Name -> version of every line of constraints.txt."""
    lines = [line.partition("#")[0] for line in (ROOT / "constraints.txt").read_text().split("\n")]
    found = [re.fullmatch(r"([\w.-]+)==([\w.+!]+)", line.strip()) for line in lines if line]
    assert None not in found, "constraints.txt has a line that is no exact pin"
    return {canonicalize_name(pin[1]): pin[2] for pin in found if pin}


def test_every_dependency_is_pinned() -> None:
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    wanted += PYPROJECT["build-system"]["requires"]
    versions = pins()
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not in constraints.txt"
        assert requirement.specifier.contains(versions[name])
