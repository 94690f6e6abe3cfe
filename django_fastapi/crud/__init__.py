"""The usual operations on a model as one router; see `crud_router`.

::

    from django_fastapi.crud import crud_router

    api.include_router(crud_router(City, read=CityOut, write=CityIn, prefix="/cities"))
"""

from .options import CrudOptions as CrudOptions, Hooks as Hooks, Operation as Operation
from .router import crud_router as crud_router

__all__ = ["CrudOptions", "Hooks", "Operation", "crud_router"]
