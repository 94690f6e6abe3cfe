"""The Django project that is measured: the models, and a module for each contestant that gathers its endpoints."""
