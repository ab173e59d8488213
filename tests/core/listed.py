"""Every venue's own listings and fee curves, of each kind its tests name, as its own code reads them."""

import importlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from typing import Any

from router.core.model import Terms
from tests.world import call_of
from venues import discover
from venues.base.http import Unavailable
from venues.base.listing import Native

NOW_MS = 1_790_000_000_000


def kinds(venue: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """What markets this venue has, by name: wishes to its simulator. One that lives elsewhere: a standard."""
    if importlib.util.find_spec(f"tests.venues.{venue}") is None:
        return {"standard": {}}
    known: Mapping[str, Mapping[str, Mapping[str, Any]]]
    known = importlib.import_module(f"tests.venues.{venue}.markets").KINDS
    return known


@cache
def listed(venue: str, kind: str) -> tuple[Terms, ...]:
    """A market of this kind in both orientations."""
    known, simulator, wish = discover()[venue], discover()[venue].simulator(1), kinds(venue)[kind]
    natives = [Native(native) for native in simulator.list_market({**wish.get("market", {})})]
    signer = known.signer(simulator.open_account({**wish.get("account", {})}, NOW_MS))
    talk = known.listings.fetch(natives)
    request = next(talk)
    while True:
        try:
            sent = signer.sign(request, NOW_MS) if request.private else request
            request = talk.send(simulator.answer(call_of(sent), NOW_MS))
        except StopIteration as stop:
            found = stop.value
            break
    assert not isinstance(found, Unavailable), found
    assert found
    return tuple(
        Terms(listing=each, curve=known.fees.curve(each), traits=known.traits)
        for one in found
        for each in (one, one.opposite())
    )
