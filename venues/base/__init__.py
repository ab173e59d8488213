"""The vocabulary every venue speaks: units, listings, events, orders, requests and the contract."""
