"""The whole router over real sockets and a real disk."""
