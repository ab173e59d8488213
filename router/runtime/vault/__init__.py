"""The vault: credentials at rest, sealed per account, opened only into a venue's signer."""
