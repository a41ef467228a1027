"""Modules that a user trains with."""
