"""The registry file: read whole, or refused with its name."""

from pathlib import Path

import pytest

from registry.text import RegistryError
from router.runtime import registry_file
from router.runtime.registry_file import read_registry

TEXT = "outcomes:\n- {id: px-aaaaaaaa, title: Zürich, outcome: Yes, listings: [{venue: acme, native: A}]}\n"


def refused(path: Path) -> str:
    with pytest.raises(RegistryError) as caught:
        read_registry(path, ["acme"])
    [problem] = caught.value.problems
    return problem


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.yaml"
    path.write_text(TEXT, encoding="utf-8")
    [outcome] = read_registry(path, ["acme"])
    assert outcome.title == "Zürich"


def test_a_bad_file_is_refused_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "outcomes.yaml"
    assert refused(path) == f"{path} (registry.file): cannot be read: No such file or directory"
    assert refused(tmp_path) == f"{tmp_path} (registry.file): cannot be read: Is a directory"
    path.write_bytes(b"outcomes:\n- \xff")
    assert refused(path) == f"{path}:2: not UTF-8"
    path.write_text("outcomes: []\nmore: 1\n")
    assert refused(path) == f"{path}:2: more: unknown key; allowed: outcomes"
    monkeypatch.setattr(registry_file, "FILE_BYTES_MAX", 20)
    assert refused(path) == f"{path}: larger than 20 bytes"
