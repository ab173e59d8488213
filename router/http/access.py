"""Who may call a route: the one question that every route with a key asks, whatever its dialect."""

from aiohttp import web

from router.core.model import AccountId
from router.runtime import logs
from router.runtime.accounts import Account
from router.runtime.keys import ApiKey, KeyRing, NoAccount, NotOwned, Scope
from router.service import Router


class Access:
    """Asks the keys for a request. Each dialect has its own words for a Denied."""

    def __init__(self, router: Router, keys: KeyRing) -> None:
        self._router, self._keys = router, keys

    def caller(self, request: web.Request, scope: Scope) -> ApiKey:
        """Whose request it is, if the key may do this. Denied if not. Later log lines name the key."""
        header = request.headers.get("x-api-key")
        key = self._keys.admit(header, scope, address=request.remote)
        logs.bind(key=key.name)
        return key

    def account(self, request: web.Request, scope: Scope) -> Account:
        """The account that the path names, if the key may do this for it. Denied if not."""
        key = self.caller(request, scope)
        account_id = AccountId(request.match_info["account_id"])
        account = self._router.account(account_id)
        if account is None:
            raise NoAccount("there is no account of this name")  # which may be a key in the wrong place
        if not self._keys.owns(key, account_id):
            raise NotOwned(f"this key does not own account {account_id}")
        return account
