"""The pure core: no clock, file, thread, socket or log may be imported here (import-linter proves it)."""
