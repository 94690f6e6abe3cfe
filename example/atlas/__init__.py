"""Continents, countries, languages, currencies and cities of the world, from GeoNames."""
