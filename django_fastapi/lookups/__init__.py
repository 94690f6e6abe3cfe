"""What a client may ask a database for: canonical keys, values that a column holds, paths of lookups."""

from .columns import check_text as check_text, column_of as column_of, fit as fit
from .paths import LookupPath as LookupPath, check_order as check_order, resolve_lookup as resolve_lookup

__all__ = [
    "LookupPath",
    "check_order",
    "check_text",
    "column_of",
    "fit",
    "resolve_lookup",
]
