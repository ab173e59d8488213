"""The pure heart of the router: books, allocation, execution, reports. No clock, no luck, no socket."""
