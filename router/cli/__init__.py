"""The `crossbook` command: one module per verb, `app` puts them behind their words."""
