"""No secret turns up anywhere: a process trades, is refused, misled and killed; all it leaves is searched.

The credentials that the simulators give out are the canaries, and the API key. They are looked for as text,
in hex, base64 and URLs, byte by byte in every file the process wrote and in all it ever said.
"""

import asyncio
import base64
import contextlib
import copy
import logging
import pickle
import pprint
import signal
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import tomli_w
from yarl import URL

from registry.index import Registry
from registry.text import dump
from router.runtime.accounts import open_account
from router.runtime.keys import digest, new_key
from tests.loopback.canaries import forms, leaks, secrets_of
from tests.loopback.scene import Scene, scene
from venues import discover

ROOT = Path(__file__).parents[2]
WAIT_S = 30
LEVELS = ([("0.30", "500")], [("0.40", "500"), ("0.41", "500")])
MISDEEDS: list[dict[str, Any]] = [
    {"fault": "error5xx", "when": "after", "status": 500},
    {"fault": "garbled"},
    {"fault": "disconnect", "when": "after"},
    {"fault": "refused", "status": 401, "body": '{"error":"unauthorized"}'},
    {"fault": "refused", "status": 400, "body": "<html>no</html>"},
]


class Caller:
    """Calls of one router process, and all that it answers."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self.session, self.url, self.key = session, url, key
        self.heard: list[bytes] = []

    async def call(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Status and body; headers and body are kept."""
        sent = {"x-api-key": self.key, "content-type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.session.request(method, self.url + path, data=body, headers=sent) as response:
            text = await response.read()
            self.heard += [text, repr(response.raw_headers).encode()]
            return response.status, text

    async def order(self, outcome: str, **body: str) -> int:
        """One order of the account."""
        asked = msgspec.json.encode({"predexonId": outcome} | body)
        return (await self.call("POST", "/api/accounts/a/router/orders", asked))[0]


async def every_account(stage: Scene) -> tuple[str, dict[str, frozenset[bytes]]]:
    """One question on every venue, one account that has keys at all; the outcome and the canaries."""
    listings = []
    for name in stage.venues:
        native = (await stage.market(name, title="Will it leak?"))[0]
        await stage.book(name, native, *LEVELS)
        listings.append((name, native, False))
    outcome = stage.outcome("leak", *listings)
    await stage.account("a", **{name: {"balance": "1000"} for name in stage.venues})
    canaries = {
        f"{name}/{number}": forms(secret)
        for name, venue in stage.venues.items()
        for number, secret in enumerate(secrets_of(venue, stage.accounts["a"][name]))
    }
    assert {name.split("/")[0] for name in canaries} == set(stage.venues), "every venue has a secret"
    return outcome, canaries


def settings(stage: Scene, folder: Path, key: str, **more: Any) -> Path:
    """The files of a router; the secrets lie in a folder of their own."""
    vault = folder / "secrets"
    vault.mkdir(exist_ok=True)
    credentials: dict[str, dict[str, Any]] = {}
    for venue, values in stage.accounts["a"].items():
        for name, value in values.items():
            (vault / f"{venue}-{name}").write_text(value)
            credentials.setdefault(venue, {})[name] = {"file": str(vault / f"{venue}-{name}")}
    place = folder / "router"
    place.mkdir(exist_ok=True)
    (place / "registry.yaml").write_text(dump(Registry(stage.outcomes)))
    tree: dict[str, Any] = {
        "server": {"port": 0},
        "store": {"directory": str(place / "data")},
        "registry": {"file": str(place / "registry.yaml")},
        "log": {"level": "debug"},
        "routing": {"answer_ms": 800},
        "controls": stage.controls,
        "venues": {name: {"hosts": dict(server.hosts)} for name, server in stage.servers.items()},
        "keys": {"k": {"sha256": digest(key), "accounts": ["a"]}},
        "accounts": {"a": {"venues": list(credentials), "credentials": credentials}},
    } | more
    path = place / "crossbook.toml"
    path.write_text(tomli_w.dumps(tree))
    return path


@asynccontextmanager
async def process(path: Path, said: Path) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """A router process with our bugs in it; its address. All it says goes into a file."""
    with said.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-X", "dev", "-m", "tests.loopback.crashing", "serve", "--config", str(path)],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        yield child, await _address(child, said)
    finally:
        child.kill()
        child.wait()


async def _address(child: subprocess.Popen[bytes], said: Path) -> str:
    async with asyncio.timeout(WAIT_S):
        while True:
            assert child.poll() is None, said.read_text()[-2_000:]
            for line in said.read_bytes().splitlines():
                with contextlib.suppress(msgspec.DecodeError):
                    event = msgspec.json.decode(line)
                    if event.get("event") == "router.started":
                        return f"http://{event['host']}:{event['port']}"
            await asyncio.sleep(0.05)


async def live(stage: Scene, caller: Caller, outcome: str) -> None:
    """Everything that a caller, an operator and bad venues can make it say."""
    async with asyncio.timeout(WAIT_S):
        while (await caller.call("GET", "/ready"))[0] != 200:
            await asyncio.sleep(0.05)
    assert await caller.order(outcome, side="buy", amount="20.00") == 201
    assert await caller.order(outcome, side="buy", amount="9000000") in (400, 403)
    assert await caller.order(outcome, side="sell", size="1") in (201, 502)
    assert await caller.order("px-nothere00000", side="buy", amount="1") == 404
    assert await caller.order(outcome, side="buy", amount="6.66") == 500
    await caller.order(outcome, side="buy", amount="7.77")
    for body in (b"", b"{", b"[" * 99, b'{"predexonId":1}', b"\xff\xfe", b'{"a":1,"a":2}'):
        assert (await caller.call("POST", "/api/accounts/a/router/orders", body))[0] == 400
    for header in ("", "x", "sor_live_" + "A" * 43, caller.key[:-1], caller.key + "x"):
        asked = {"x_api_key": header, "authorization": f"Bearer {caller.key}"}
        assert (await caller.call("POST", "/api/accounts/a/router/orders", b"{}", **asked))[0] == 401
    for number, venue in enumerate(stage.servers):
        for misdeed in (MISDEEDS[number % len(MISDEEDS)], MISDEEDS[(number + 2) % len(MISDEEDS)]):
            await stage.control(venue, "PUT", "faults", [{"call": ".*", "times": 3} | misdeed])
            await caller.order(outcome, side="buy", amount="3.00")
        await stage.control(venue, "PUT", "faults", [])
    for path in ("/metrics", "/health", "/ready", "/openapi.json", "/docs", "/nowhere", "/api/accounts/b/x"):
        await caller.call("GET", path)


def left_behind(folder: Path, caller: Caller) -> dict[str, bytes]:
    """Every file but the secrets' own, and all that was answered."""
    files = [path for path in folder.rglob("*") if path.is_file() and "secrets" not in path.parts]
    assert {".sqlite", ".sqlite-wal"} <= {"." + path.name.partition(".")[2] for path in files}
    places = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return places | {"answers": b"\n".join(caller.heard)}


@pytest.mark.slow
async def test_a_process_that_lived_through_everything_leaves_no_secret_behind(tmp_path: Path) -> None:
    key, said = new_key(), tmp_path / "said.txt"
    async with scene(tmp_path) as stage, aiohttp.ClientSession() as session:
        outcome, canaries = await every_account(stage)
        canaries["key"] = forms(key)
        path = settings(stage, tmp_path, key)
        async with process(path, said) as (child, url):
            caller = Caller(session, url, key)
            await live(stage, caller, outcome)
            limits = Path(f"/proc/{child.pid}/limits")
            if limits.exists():
                [cores] = [line for line in limits.read_text().splitlines() if "core file" in line]
                assert cores.split()[4:6] == ["0", "0"], "a crash would leave its memory in a file"
            await doctor(path, tmp_path / "doctor.txt")
            child.send_signal(signal.SIGABRT)
            await asyncio.to_thread(child.wait, WAIT_S)
        text = said.read_text(errors="replace")
        assert "Fatal Python error: Aborted" in text
        assert "a bug in planning" in text
        assert "a bug in sending" in text
        assert list(tmp_path.rglob("core*")) == []
        found = left_behind(tmp_path, caller)
        assert leaks(canaries, found) == []
        shown = {f"shown/{name}": frozenset({name.encode()}) for name in ("route.ended", "order.answered")}
        assert len(leaks(shown, found)) >= 2, "nothing was looked through"


async def doctor(path: Path, said: Path) -> None:
    """The checks of the running configuration, and of one whose keys are broken."""
    for config in (path, broken(path)):
        with said.open("ab") as out:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "router.main",
                "doctor",
                "--config",
                str(config),
                stdout=out,
                stderr=out,
                cwd=ROOT,
            )
            await child.wait()


def broken(path: Path) -> Path:
    """The same settings with the first secret of each venue cut in half."""
    text = path.read_text()
    for place in sorted(path.parent.parent.joinpath("secrets").glob("*key*")):
        half = place.with_name(f"half-{place.name}")
        half.write_text(place.read_text()[: len(place.read_text()) // 2])
        text = text.replace(str(place), str(half))
    found = path.with_name("broken.toml")
    found.write_text(text)
    return found


@pytest.mark.parametrize("venue", sorted(discover()))
def test_keys_are_not_shown_by_anything_that_python_shows(venue: str) -> None:
    card = discover()[venue]
    credentials = card.simulator(5).open_account({"balance": "1"}, 1_795_000_000_000)
    canaries = {str(n): forms(secret) for n, secret in enumerate(secrets_of(card, credentials))}
    assert canaries
    account = open_account("a", {venue: credentials}, discover())  # type: ignore[arg-type]  # a plain name
    signer = account.signers[venue]
    assert leaks(canaries, {"account": shown(account), "signer": shown(signer)}) == []


def shown(thing: object) -> bytes:
    """Everything that a log line, a traceback with locals or a debugger's print would say of it."""
    record = logging.LogRecord("x", 1, "x", 1, "%s %r", (thing, thing), None)
    texts = [repr(thing), str(thing), f"{thing}", pprint.pformat(thing), record.getMessage()]
    try:
        fail(thing)
    except RuntimeError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        texts.append("".join(told.format()))
    with contextlib.suppress(Exception):
        texts.append(repr(copy.copy(thing)))
    with contextlib.suppress(Exception):
        texts.append(repr(pickle.dumps(repr(thing))))
    return "\n".join(texts).encode()


def fail(thing: object) -> None:
    """A bug that has it at hand."""
    raise RuntimeError(thing)


PEM = (
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ==\nzX8/+abcdefgh0123456789ABCDEF==\n-----END KEY-----\n"
)
HEX = "0x" + "a1b2c3d4" * 8


@pytest.mark.parametrize("secret", [PEM, HEX, "c2VjcmV0IHZhbHVlIGluIGJhc2U2NA==", "plain-word/with+signs"])
def test_a_canary_is_found_in_every_form(secret: str) -> None:
    """Otherwise finding nothing would mean nothing."""
    text = secret.strip()
    hidden: Mapping[str, bytes] = {
        "text": f"x{text}x".encode(),
        "json": msgspec.json.encode({"v": secret}),
        "hex": text.encode().hex().encode(),
        **{f"base64 {n}": base64.b64encode(b"x" * n + text.encode() + b"yz") for n in range(4)},
        "url": URL("http://h/").with_query(v=secret).raw_query_string.encode(),
        "deep in a page": bytes(5_000) + text.encode() + bytes(99),
    }
    if secret == HEX:
        hidden = {**hidden, "raw": b"k" + bytes.fromhex(HEX[2:]), "number": str(int(HEX, 16)).encode()}
    assert len(leaks({"canary": forms(secret)}, hidden)) == len(hidden)
    assert leaks({"canary": forms(secret)}, {"none": b"nothing of it"}) == []
