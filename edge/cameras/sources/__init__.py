"""Where a camera's pictures come from, one file per kind; `choose` tells which one a `source` setting means."""
