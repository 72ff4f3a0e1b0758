from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice.registry import KINDS, Registry, registry_for


def test_backends_are_listed_with_capabilities_and_schema() -> None:
    registry = bv.get_registry()
    assert "embedded" in registry.names()
    assert registry.names() == sorted(registry.names())
    assert registry.is_registered("embedded")
    capabilities = registry.capabilities("embedded")
    assert capabilities.s2s
    assert capabilities.session_persistence
    assert registry.config_schema("embedded")["type"] == "object"
    schema = registry_for("stt").config_schema("pocketsphinx")
    assert "acoustic_model" in schema["properties"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        bv.ConfigError, match="voice backend provider 'nope' not found; registered: embedded"
    ) as caught:
        bv.new_backend("nope", bv.Config(provider="embedded"))
    assert caught.value.code == "provider_not_found"


def test_a_part_of_your_own() -> None:
    registry = Registry("backend")
    registry.register("mine", lambda config: ("made", config))
    assert registry.create("mine", 3) == ("made", 3)
    assert registry.capabilities("mine") == bv.Capabilities()
    with pytest.raises(bv.ConfigError, match="override=True"):
        registry.register("mine", lambda config: None)
    with pytest.raises(bv.ConfigError, match="override=True"):
        registry.register("embedded", lambda config: None)
    registry.register("embedded", lambda config: "other", override=True)
    assert registry.create("embedded") == "other"
    registry.unregister("embedded")
    with pytest.raises(bv.ConfigError, match="callable"):
        registry.register("", lambda config: None)


def test_a_missing_extra_names_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiortc", None)
    monkeypatch.delitem(sys.modules, "beluga_voice.transports.webrtc", raising=False)
    with pytest.raises(bv.ConfigError) as caught:
        bv.transport.new("webrtc", bv.TransportConfig())
    assert caught.value.code == "missing_extra"
    assert 'pip install "beluga-voice[webrtc]"' in str(caught.value)


def test_plug_ins_are_found_and_a_broken_one_names_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "plug_in-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-in\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[beluga_voice.stt]\ngood = plug_in:make\nbroken = plug_in_missing:make\npocketsphinx = plug_in:make\n"
    )
    (tmp_path / "plug_in.py").write_text("def make(settings):\n    return ('good', settings)\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("stt")
    assert {"good", "broken"} <= set(registry.names())
    assert registry.create("good", {"a": 1}) == ("good", {"a": 1})
    with pytest.raises(bv.ConfigError, match=r"plug-in 'broken' \(plug_in_missing:make\)"):
        registry.create("broken")
    assert registry.factory("pocketsphinx").__module__.startswith("beluga_voice"), (
        "built in names cannot be taken"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_part_can_be_found(kind: str) -> None:
    registry = registry_for(kind)
    for name in registry.names():
        factory: Any = registry.factory(name)
        assert callable(factory)
        assert registry.config_schema(name)["type"] == "object"
