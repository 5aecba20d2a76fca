"""Where ``import simclr`` finds us: installed or from a checkout, beside folders that have the same names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python(folder: Path, code: str, *path: Path) -> str:
    """What a program prints that somebody runs in a folder, with further places for packages."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The one package that an installation has, as files."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "simclr", site / "simclr", ignore=shutil.ignore_patterns("__pycache__"))
    return site


@pytest.fixture
def project(tmp_path):
    """Somebody's project, with an ``eval`` and an ``augment`` of its own."""
    for name in ("eval", "augment"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"MINE = '{name}'\n")
    (tmp_path / "eval" / "probes.py").write_text("MINE = 'probes'\n")
    return tmp_path


def test_a_project_keeps_its_own_eval_and_augment_and_we_keep_ours(installed, project):
    code = (
        "import simclr, eval, augment, eval.probes\n"
        "import simclr.augment.base, simclr.eval.splits.split\n"
        "print(simclr.__file__)\n"
        "print(eval.MINE, augment.MINE, eval.probes.MINE, simclr.augment.RandomNoise.__module__)"
    )
    where, what = python(project, code, installed).splitlines()
    assert Path(where).is_relative_to(installed)
    assert what == "eval augment probes simclr.augment.noise"


@pytest.mark.slow
def test_the_command_runs_in_a_project_that_has_such_folders(installed, project):
    code = (
        "import sys; sys.argv = ['simclr', 'views', 'digits', '--samples', '1']\n"
        "from simclr.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print('status', end.code)"
    )
    assert python(project, code, installed).endswith("status 0")
    assert (project / "views.png").exists()


def test_an_installation_has_one_name(installed, tmp_path):
    code = (
        "import importlib.util, sys\n"
        f"sys.path = [p for p in sys.path if p != {str(ROOT)!r}]\n"
        "print([n for n in ('simclr', 'eval', 'augment', 'recipes') if importlib.util.find_spec(n)])"
    )
    assert python(tmp_path, code, installed) == "['simclr']"


def test_the_folder_above_a_checkout_is_no_trap(tmp_path):
    (tmp_path / "simclr").symlink_to(ROOT, target_is_directory=True)
    code = "import simclr; from simclr import load_encoder; print(simclr.__file__, load_encoder.__module__)"
    where, module = python(tmp_path, code).split()
    assert Path(where).samefile(ROOT / "simclr" / "__init__.py")
    assert module == "simclr.encoder_file"


@pytest.mark.slow
def test_a_checkout_has_short_names_for_the_same_modules():
    code = (
        "import eval.splits.split, augment, simclr.augment, simclr.eval.splits.split\n"
        "from augment.noise import RandomNoise\n"
        "from eval.streams import Stream\n"
        "print(eval.splits.split is simclr.eval.splits.split, augment is simclr.augment)\n"
        "print(RandomNoise is simclr.augment.RandomNoise, Stream.__module__)"
    )
    assert python(ROOT, code).split() == ["True", "True", "True", "simclr.eval.streams"]


@pytest.mark.slow
def test_the_wheel_holds_every_file_under_one_name(tmp_path):
    pytest.importorskip("setuptools", reason="a wheel is built with setuptools")
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", "runs", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    code = "from setuptools import setup; setup()"
    command = [sys.executable, "-c", code, "-q", "build", "--build-lib", str(tmp_path / "lib")]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    built = {file.relative_to(tmp_path / "lib").as_posix() for file in (tmp_path / "lib").rglob("*") if file.is_file()}
    ours = {
        f"simclr/{f.relative_to(ROOT).as_posix()}" for top in ("augment", "eval") for f in (ROOT / top).rglob("*.py")
    }
    ours |= {file.relative_to(ROOT).as_posix() for file in (ROOT / "simclr").rglob("*.py")} | {"simclr/py.typed"}
    ours |= {f"simclr/recipes/{file.name}" for file in (ROOT / "recipes").glob("*.yaml")}
    assert built == ours
