"""Pages for people, made by FastAPI with Django's templates."""
