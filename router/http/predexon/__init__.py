"""The Predexon surface: `POST /api/accounts/{accountId}/router/orders` and its family."""
