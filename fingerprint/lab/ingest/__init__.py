"""Public sources -> labelled measurements; one module a source, found by its ``SOURCE`` and ``ingest``."""
