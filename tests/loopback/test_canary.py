"""A whole router in its own process, with every secret known: none of them turns up anywhere.

Not in its log, its answers, its metrics, any page of its database, nor in what it says when it crashes.
"""

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
import tomli_w

from registry.index import Registry
from registry.text import dump
from router.core.model import AccountId
from router.runtime.clock import SystemClock
from router.runtime.keys import ApiKey, KeyId, digest, new_key
from router.runtime.store import api_keys
from router.runtime.store.beside import administer
from tests.limits import WIDE_SETTINGS
from tests.loopback.scene import Scene, scene

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
WAIT_S = 60
PIECE = 24
"""Characters of a longer secret that are already too many."""


def traces(secret: str) -> Iterator[bytes]:
    """A secret as it might show: whole, in lines, in pieces, in hexadecimal, in base64, escaped."""
    for line in {secret, *secret.splitlines()}:
        text = line.strip()
        if len(text) < 12 or text.startswith("-----"):
            continue
        plain = text.removeprefix("0x")
        for start in range(0, max(1, len(plain) - PIECE + 1), 8):
            yield plain[start : start + PIECE].encode()
        yield base64.b64encode(text.encode()).rstrip(b"=")[:-1]
        yield text.encode().hex().encode()
        if len(plain) == 64 and set(plain.lower()) <= set("0123456789abcdef"):
            yield bytes.fromhex(plain)
            yield base64.b64encode(bytes.fromhex(plain)).rstrip(b"=")[:-1]
            yield str(int(plain, 16)).encode()


def found(secrets: dict[str, str], seen: dict[str, bytes]) -> list[str]:
    """Which secret is in what was seen, and where; never the secret."""
    return [
        f"{name} in {where}"
        for name, secret in secrets.items()
        for where, raw in seen.items()
        if any(trace in raw or trace.swapcase() in raw for trace in traces(secret))
    ]


class Watched:
    """A router process, and everything that it lets out."""

    def __init__(self, stage: Scene, folder: Path, url: str) -> None:
        self.stage, self.folder, self.url = stage, folder, url
        self.seen: dict[str, bytes] = {}

    async def ask(self, method: str, path: str, key: str | None, body: object = None) -> int:
        headers = {"x-api-key": key} if key is not None else {}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=body, headers=headers) as response,
        ):
            raw = await response.read()
        self.seen[f"answer {len(self.seen)} of {path}"] = raw + repr(response.raw_headers).encode()
        return response.status


@asynccontextmanager
async def serving(stage: Scene, folder: Path, tree: dict[str, object]) -> AsyncIterator[Watched]:
    """`crossbook serve` until it is aborted; afterwards its output and its files are in `seen`."""
    settings = folder / "crossbook.toml"
    settings.write_text(tomli_w.dumps(tree))
    main = "from router.main import main; main()"
    words = ("-X", "faulthandler", "-c", main, "serve", "--config", str(settings))
    out = folder / "out"
    with out.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, cwd=ROOT, stdout=said, stderr=said, env=dict(os.environ)
        )
        watched = Watched(stage, folder, "")
        try:
            async with asyncio.timeout(WAIT_S):
                while b"router.started" not in out.read_bytes():
                    assert process.returncode is None, out.read_text()
                    await asyncio.sleep(0.1)
            lines = [line for line in out.read_text().splitlines() if '"router.started"' in line]
            port = lines[0].partition('"port":')[2].partition(",")[0].rstrip("}")
            watched.url = f"http://127.0.0.1:{port}"
            yield watched
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGABRT)
            await process.wait()
            watched.seen["its output"] = out.read_bytes()
            for path in (folder / "data").iterdir():
                watched.seen[f"file {path.name}"] = path.read_bytes()


async def orders(router: Watched, outcome: str, key: str, wrong: str) -> list[int]:
    """Good ones, refused ones, and ones whose venues misbehave."""
    path = "/api/accounts/a/router/orders"
    body = {"predexonId": outcome, "side": "buy", "amount": "90"}
    asked = [await router.ask("POST", path, key, body)]
    misplaced = {"predexonId": key}, body | {"amount": key}
    for given, what in ((wrong, body), (None, body), *((key, each) for each in misplaced)):
        asked.append(await router.ask("POST", path, given, what))
    asked.append(await router.ask("POST", f"/api/accounts/{key}/router/orders", key, body))
    for venue, server in router.stage.servers.items():
        rules = [{"kind": "garbled", "share": 1.0}]
        async with aiohttp.ClientSession() as session:
            await session.put(f"{server.origin}/_sim/faults", json=rules)
        asked.append(await router.ask("POST", path, key, body | {"venues": [venue]}))
    return asked


def said(out: Path) -> set[bytes]:
    """The words of a log."""
    return set(out.read_bytes().split(b'"'))


async def test_no_secret_leaves_the_router(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        books = []
        for venue in stage.venues:
            native, *_ = await stage.market(venue)
            await stage.book(venue, native, [], [("0.4", "50")])
            books.append((venue, native, False))
        outcome = stage.outcome("one", *books)
        await stage.account("a", **{venue: {"balance": "1000"} for venue in stage.venues})
        stage.seal()
        secrets = {
            f"{venue} {each.name}": stage.accounts["a"][venue][each.name]
            for venue in stage.venues
            for each in stage.venues[venue].secrets
            if each.secret and each.name in stage.accounts["a"][venue]
        }
        second = {}
        for venue in stage.venues:
            opened = await stage.control(venue, "POST", "accounts", {"balance": "1000"})
            second[venue] = opened["credentials"]
            for each in stage.venues[venue].secrets:
                if each.secret and each.name in second[venue]:
                    secrets[f"second {venue} {each.name}"] = second[venue][each.name]
        secrets["master key"] = (tmp_path / "master.key").read_text().strip()
        key, revoked, wrong = new_key(), new_key(), new_key()
        secrets |= {"API key": key, "revoked key": revoked, "unknown key": wrong}
        with closing(administer(tmp_path / "data")) as connection:
            for name, text in (("partner", key), ("former", revoked)):
                made = ApiKey(name=KeyId(name), sha256=digest(text), accounts=frozenset({AccountId("a")}))
                api_keys.create(connection, made, SystemClock().now_ms())
            api_keys.revoke(connection, "former", SystemClock().now_ms())
        (tmp_path / "registry.yaml").write_text(dump(Registry(stage.outcomes)))
        tree: dict[str, object] = {
            "server": {"port": 0},
            "log": {"level": "debug"},
            "controls": dict(WIDE_SETTINGS),
            "store": {"directory": str(tmp_path / "data")},
            "registry": {"file": "registry.yaml"},
            "vault": {"master": "file:master.key"},
            "venues": {name: {"hosts": dict(server.hosts)} for name, server in stage.servers.items()},
            "keys": {},
            "accounts": {"a": {"venues": list(stage.venues)}},
        }
        async with serving(stage, tmp_path, tree) as router:
            async with asyncio.timeout(WAIT_S):
                while await router.ask("GET", "/ready", None) != 200:
                    await asyncio.sleep(0.2)
            statuses = await orders(router, outcome, key, wrong)
            assert await router.ask("POST", "/api/accounts/a/router/orders", revoked, {}) == 401
            spoilt, *others = sorted(stage.venues)
            with closing(administer(tmp_path / "data")) as connection:
                connection.execute(
                    "INSERT INTO vault_credentials SELECT account_id, venue, version + 1, key_id, created_ms,"
                    " zeroblob(64) FROM vault_credentials WHERE venue = ?",
                    (spoilt,),
                )
            for venue in others:
                stage.put("a", venue, second[venue])
            async with asyncio.timeout(WAIT_S):
                while not all(
                    word in (tmp_path / "out").read_bytes() for word in (b"t.refused", b"t.renewed")
                ):
                    await asyncio.sleep(0.1)
            await orders(router, outcome, key, wrong)
            await router.ask("GET", "/metrics", None)
        seen = router.seen
        assert statuses[:6] == [201, 401, 401, 400, 400, 404]
        output = seen["its output"]
        for word in (
            b"vault.refused",
            b"vault.renewed",
            b"route.ended",
            b"request.refused",
            b"Fatal Python error",
        ):
            assert word in output, "everything that might tell has told"
        assert b"partner" in seen["file crossbook.sqlite"] + seen.get("file crossbook.sqlite-wal", b"")
        shown = {"API key": key} | {name: text for name, text in secrets.items() if name.startswith("second")}
        assert len(found(shown, {"a test": "\n".join(shown.values()).encode()})) == len(shown)
        assert found(secrets, seen) == []
