"""One module for each row of the table: `WORK`, and how each contestant does it.

A function has the key of a contestant (see `bench.contestants`) and adds an endpoint to what it is given: an API of
FastAPI's, ninja's or bolt's, a list of URL patterns, or the `Floor`. Whoever has no function is not in the row. What a
contestant needs is imported in its function, since the others may do without it. `fill()` makes data that no other row
has. The endpoints of the peers are written as their documentation advises.
"""
