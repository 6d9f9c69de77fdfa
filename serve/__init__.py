"""The command line, the batch loop and the pages: everything a person touches."""
