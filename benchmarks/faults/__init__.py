"""Faults, made by chance: whatever is killed, torn or full, the same command ends with the undisturbed table."""
