"""Simulated venues: a matching engine, fault injection, a book maker, and one server for any venue."""
