"""Durable state: what was intended, what was answered, what is finished."""
