"""CASIA 2.0 (Dong et al. 2013) with the ground truth of Pham et al. (casia2groundtruth)."""

from morelli.data_pipeline.converters.casia import casia

EXPECTED = """
Au/Au_ani_00001.jpg                                       untouched
Tp/Tp_D_NRN_S_N_ani10171_ani00001_12458.jpg               D: spliced, S: copied within
CASIA 2 Groundtruth/<name>_gt.png
"""

read = casia("casia2")
"""List untouched pictures, splices and copies; `NotThereError` without Au or Tp."""
