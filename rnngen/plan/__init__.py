"""From shapes and a budget to a schedule in which every cycle is known."""
