"""Makes labelled pictures for training: forgeries, untouched photographs and generated images."""

from morelli.data_pipeline.maker.kinds import KINDS
from morelli.data_pipeline.maker.make import Made, make
from morelli.data_pipeline.maker.pool import Pool
from morelli.data_pipeline.maker.write import Order, write_samples

__all__ = ["KINDS", "Made", "Order", "Pool", "make", "write_samples"]
