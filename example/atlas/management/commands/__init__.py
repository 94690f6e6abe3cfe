"""Management commands of the atlas app."""
