"""The software model: exact values, exact cycles."""
