"""One file a schema step, append-only."""
