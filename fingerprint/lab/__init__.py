"""What makes the model: ingest, evaluation, training. Nothing at run time imports it."""
