"""What a developer is shown with `DEBUG`: pages of errors, and how often a request has asked the database."""

from .answers import Explained as Explained, aexplain as aexplain
from .epilogues import make_close_reason as make_close_reason, make_epilogue as make_epilogue
from .not_found import add_routes as add_routes
from .watch import Watch as Watch

__all__ = ["Explained", "Watch", "add_routes", "aexplain", "make_close_reason", "make_epilogue"]
