"""What can be refused is documented, with its status, and every setting with its default."""

import json
import re
from pathlib import Path

import msgspec

from router import sections
from router.core.errors import Refusal
from router.http.body import BodyError
from router.http.native import refusals as native
from router.http.predexon import refusals
from router.http.predexon.refusals import ACCESS_WORDS, BODY_WORDS, WORDS
from router.http.words import INTERNAL_ERROR, Word
from router.runtime.control_settings import ControlsConfig
from router.runtime.keys import Denied, Scope

DOCS = Path(__file__).parents[2] / "docs"
API = (DOCS / "api.md").read_text()
SETTINGS = (DOCS / "settings.md").read_text()


KNOWN = {word for word in vars(refusals).values() if isinstance(word, Word)}
KNOWN |= {INTERNAL_ERROR, *WORDS.values(), *BODY_WORDS.values(), *ACCESS_WORDS.values()}
DIALECT = frozenset(KNOWN)
"""What the answer to an order may say."""
KNOWN |= set(native.WORDS.values())


def test_every_refusal_has_a_word() -> None:
    assert set(WORDS) == set(Refusal.__subclasses__())
    assert set(BODY_WORDS) == set(BodyError.__subclasses__())
    assert set(ACCESS_WORDS) == set(Denied.__subclasses__())


def test_every_word_is_documented_with_its_status() -> None:
    assert len(KNOWN) >= 15
    for word in KNOWN:
        assert f"| `{word.code}` | {word.status} |" in API, word


def test_no_word_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^\| `(\w+)` \| \d{3} \|", API, re.MULTILINE)
    assert set(documented) == {word.code for word in KNOWN}


def _default(field: msgspec.structs.FieldInfo) -> str:
    """As TOML writes it."""
    if field.default_factory is list:
        return "`[]`"
    if field.default is msgspec.NODEFAULT:
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, tuple):
        return f"`{json.dumps(field.default)}`"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def test_every_setting_is_documented_with_its_default() -> None:
    tables: dict[str, type[msgspec.Struct]] = {
        "registry": sections.RegistryConfig,
        "server": sections.ServerConfig,
        "store": sections.StoreConfig,
        "routing": sections.RoutingConfig,
        "controls": ControlsConfig,
        "log": sections.LogConfig,
        "vault": sections.VaultConfig,
    }
    documented = dict(re.findall(r"^\| `([\w.<>]+)` \| ([^|]+) \|", SETTINGS, re.MULTILINE))
    for table, kind in tables.items():
        for field in msgspec.structs.fields(kind):
            default = _default(field)
            assert documented.pop(f"{table}.{field.name}").strip() == default
    assert all(key.split(".")[0] in ("venues", "accounts", "keys") for key in documented)


def test_every_field_of_a_key_and_every_scope_is_documented() -> None:
    """Accounts and venues have fields whose keys are names; their own tests hold those."""
    fields = msgspec.structs.fields(sections.KeyConfig)
    assert [f.name for f in fields if f"| `keys.<name>.{f.name}` |" not in SETTINGS] == []
    assert [scope.value for scope in Scope if f"| `{scope.value}` |" not in API] == []
