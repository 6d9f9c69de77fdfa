"""So-Fake-Set and So-Fake-OOD (Huang et al. 2025): forgeries from social media."""

from pathlib import Path

from morelli.data_pipeline.converters.chats import tables
from morelli.data_pipeline.converters.layout import Entries
from morelli.data_pipeline.converters.threeway import packed_classes

EXPECTED = """
data/*.parquet with image, mask, label and filename (2.0 also generator and source)
the files name their labels: 1.0 numbers them full_synthetic, real, tampered,
2.0 real, tampered, full_synthetic
"""


def read(root: Path) -> Entries:
    """List the rows of every parquet file, by the names of the labels and not their numbers."""
    for table in tables(root, ".parquet"):
        yield from packed_classes("sofake", table, None)
