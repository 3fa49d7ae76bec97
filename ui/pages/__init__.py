"""One file per page: `TITLE`, `PATH` and `build(context)`, called inside the page's route."""
