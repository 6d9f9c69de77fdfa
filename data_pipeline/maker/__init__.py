"""Makes labelled pictures for training: forgeries, untouched photographs and generated images."""

from morelli.data_pipeline.maker.make import KINDS, Made, make
from morelli.data_pipeline.maker.pool import Pool
from morelli.data_pipeline.maker.write import write_samples

__all__ = ["KINDS", "Made", "Pool", "make", "write_samples"]
