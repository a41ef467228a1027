"""Number formats and activation tables: the one arithmetic."""
