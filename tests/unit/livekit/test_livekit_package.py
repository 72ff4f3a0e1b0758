from __future__ import annotations

import json
import subprocess
import sys

import beluga_voice.livekit as package

WITHOUT = "import sys; sys.modules['livekit'] = None\n"  # as if it were not installed


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_names_are_sorted_and_there() -> None:
    assert list(package.__all__) == sorted(package.__all__)
    assert set(package._HOME) == set(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))


def test_importing_it_loads_no_sdk() -> None:
    code = (
        "import json, sys, beluga_voice.livekit\n"
        "print(json.dumps([m for m in ('livekit', 'aiohttp', 'google.protobuf', 'starlette') if m in sys.modules]))"
    )
    assert json.loads(python(code)) == []


def test_a_missing_extra_is_one_error_with_the_install_command() -> None:
    code = WITHOUT + (
        "import beluga_voice.livekit as lk\n"
        "from beluga_voice.errors import ConfigError\n"
        "for name in lk.__all__:\n"
        "    try: getattr(lk, name)\n"
        "    except ConfigError as error: print(error.code, error.message)\n"
        "try: import beluga_voice.livekit.tokens\n"
        "except ConfigError as error: print(error.code, error.message)\n"
    )
    lines = python(code).splitlines()
    assert len(lines) == len(package.__all__) + 1
    assert all(line.startswith("missing_extra") for line in lines)
    assert all('pip install "beluga-voice[livekit]"' in line for line in lines)


def test_the_commands_say_it_too() -> None:
    code = WITHOUT + (
        "from beluga_voice.cli.app import run\n"
        "assert run(['livekit', 'token', '--identity', 'a', '--room', 'b', '--json']) == 2\n"
        "assert run(['--help']) == 0\n"
        "assert run(['livekit', '--help']) == 0\n"
    )
    first = python(code).splitlines()[0]
    assert json.loads(first)["error"]["code"] == "missing_extra"
