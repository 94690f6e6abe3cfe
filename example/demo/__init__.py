"""The home page of the example and its demo login."""
