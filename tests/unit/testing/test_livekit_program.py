from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from beluga_voice.errors import BackendError, ConfigError, ConnectError
from beluga_voice.testing import livekit_program
from beluga_voice.testing.livekit_program import (
    build_livekit_server,
    cached_livekit_server,
    find_livekit_server,
    user_cache,
)

GO = """#!/bin/sh
case "$1" in
env) echo {version} ;;
list) test -s go.mod && test -s go.sum && printf 'a\\nb\\nc\\n' ;;
build)
    for last in "$@"; do
        if [ "$before" = -o ]; then made=$last; fi
        before=$last
    done
    echo "$GOTOOLCHAIN $GOWORK $last" >&2
    echo b >&2
    {build}
    ;;
esac
"""


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a shell, an empty cache and nothing else."""
    monkeypatch.delenv("LIVEKIT_SERVER", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(livekit_program, "_OTHER_PLACES", ())
    monkeypatch.setattr(livekit_program, "_CHECKOUT", tmp_path / "checkout")
    return tmp_path


def test_a_program_is_found_where_it_may_be(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="livekit dev"):
        find_livekit_server()
    assert cached_livekit_server().parent == user_cache() / "livekit"
    assert cached_livekit_server().name.startswith("livekit-server-1.")
    cached = program(cached_livekit_server())
    assert find_livekit_server() == cached
    built = program(machine / "checkout" / cached.name)
    assert find_livekit_server() == built
    installed = program(machine / "bin" / "livekit-server")
    assert find_livekit_server() == installed
    named = program(machine / "own")
    monkeypatch.setenv("LIVEKIT_SERVER", str(named))
    assert find_livekit_server() == named
    for wrong in (machine / "nothing", machine):
        monkeypatch.setenv("LIVEKIT_SERVER", str(wrong))
        with pytest.raises(ConfigError, match="is no program"):
            find_livekit_server()


def test_an_older_build_is_not_taken(machine: Path) -> None:
    program(cached_livekit_server().with_name("livekit-server-0.9.0"))
    with pytest.raises(ConfigError):
        find_livekit_server()


async def test_it_is_built_with_progress_into_the_cache(machine: Path) -> None:
    program(
        machine / "bin" / "go",
        GO.format(version="go1.24.1", build="printf '#!/bin/sh' >$made; chmod +x $made"),
    )
    seen: list[tuple[str, int, int]] = []
    made = await build_livekit_server(lambda *step: seen.append(step))
    assert made == cached_livekit_server() == find_livekit_server()
    assert seen == [("downloading", 0, 0), ("compiling", 0, 3), ("compiling", 1, 3), ("compiling", 2, 3)]
    assert sorted(path.name for path in made.parent.iterdir()) == [made.name]


@pytest.mark.parametrize("version", ["go1.20.14", "go1.9", "devel", ""])
async def test_a_go_that_is_too_old_is_said_to_be(machine: Path, version: str) -> None:
    program(machine / "bin" / "go", GO.format(version=version, build=":"))
    with pytest.raises(ConfigError, match="too old") as error:
        await build_livekit_server(lambda *_: None)
    assert "1.21" in str(error.value)


async def test_without_go_it_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match="neither livekit-server nor Go") as error:
        await build_livekit_server(lambda *_: None)
    assert "https://go.dev/dl/" in str(error.value)


async def test_a_build_that_fails_or_never_ends_leaves_nothing(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = (("echo no network >&2; exit 1", "no network", 600.0), ("exec sleep 60", "not finished", 1.0))
    for build, said, deadline in cases:
        monkeypatch.setattr(livekit_program, "_BUILD_DEADLINE", deadline)
        program(machine / "bin" / "go", GO.format(version="go1.24.1", build=build))
        with pytest.raises(ConnectError, match=said):
            await build_livekit_server(lambda *_: None)
        assert not cached_livekit_server().exists()
        with pytest.raises(BackendError):
            find_livekit_server()
