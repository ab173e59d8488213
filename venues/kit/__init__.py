"""Arithmetic that two or more venues share: signatures, decimals, sequences."""
