"""The ways for a request to say who it is from: one module each, and in `base` what they have in common."""
