"""The Django project that is measured: one model, the same endpoints for all, a module for each contestant."""
