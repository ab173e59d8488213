"""Faults where callers reach the router."""

from tests.planted import Fault

FAULTS = (
    Fault(
        "a refusal and its request wait for the collector of cycles",
        "router/http/predexon/routes.py",
        "            report = await asyncio.shield(\n"
        "                self._router.route(account, asked.order, request_id=request[REQUEST_ID])\n"
        "            )\n",
        "            route = self._router.route(account, asked.order, request_id=request[REQUEST_ID])\n"
        "            report = await asyncio.shield(route)\n",
        "tests/http/test_app.py",
    ),
    Fault(
        "a key may trade for any account",
        "router/http/access.py",
        "if not self._keys.owns(key, account_id):",
        "if account is None:",
        "tests/http/test_access.py tests/http/test_predexon_seed.py",
    ),
    Fault(
        "a body of any size is read",
        "router/http/body.py",
        "    if (request.content_length or 0) > BYTES_MAX:",
        "    if (request.content_length or 0) < 0:",
        "tests/http/test_body.py tests/http/test_app.py",
    ),
    Fault(
        "an amount may carry a sign",
        "router/http/predexon/read.py",
        "DECIMAL = re.compile(PLAIN)",
        'DECIMAL = re.compile("[+-]?" + PLAIN)',
        "tests/http/test_predexon_read.py",
    ),
    Fault(
        "a name that comes twice in a body is read",
        "router/http/body.py",
        "        if name in seen:",
        "        if not name:",
        "tests/http/test_body.py tests/http/test_predexon_read.py",
    ),
)
