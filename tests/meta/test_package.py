"""Promises about the package as a whole."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import beluga_voice

SOURCE = Path(beluga_voice.__file__).parent
ROOT = SOURCE.parent.parent
FILES = sorted(SOURCE.rglob("*.py"))
# Rooms that are one thing and still large; they may shrink.
LARGE = {"session.py": 520, "interfaces.py": 530}


def test_the_public_names_are_sorted_and_there() -> None:
    assert list(beluga_voice.__all__) == sorted(beluga_voice.__all__)
    assert len(beluga_voice.__all__) < 100
    for name in beluga_voice.__all__:
        assert getattr(beluga_voice, name) is not None
    assert set(beluga_voice._HOME) | set(beluga_voice._MODULES) | {"__version__"} == set(beluga_voice.__all__)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_stay_small_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    limit = LARGE.get(path.name, 420)
    assert len(text.splitlines()) <= limit
    if text:
        assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_what_a_module_exports_exists(path: Path) -> None:
    name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    if name.endswith("__main__"):
        return
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), public


def test_import_is_fast_and_small() -> None:
    """The import pulls in nothing heavy; times are measured in bench/, modules are counted here."""
    code = (
        "import sys, json, beluga_voice as bv; bv.Config; bv.SessionConfig; bv.AudioFrame;"
        "print(json.dumps([m for m in ('numpy', 'onnxruntime', 'aiortc', 'starlette', 'rich', 'soundfile', 'hibari')"
        " if m in sys.modules]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert json.loads(out) == []


def test_version_is_the_same_everywhere() -> None:
    assert f'version = "{beluga_voice.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {beluga_voice.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_layers() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout
