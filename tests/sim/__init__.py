"""Tests of the simulated venues' common parts, on a made-up venue."""
