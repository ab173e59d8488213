"""The venues' official clients, unchanged, trade on our simulators: `make conformance`.

It is no part of the product and no test: it fetches the clients, at pinned versions, into environments of
their own under `build/`. What is about one client, a lock and a script, lies in its venue's folder:
`venues/<venue>/conformance/<client>/`.
"""
