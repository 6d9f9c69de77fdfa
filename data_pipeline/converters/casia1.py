"""CASIA 1.0 (Dong et al. 2013) with the ground truth of Pham et al. (casia1groundtruth)."""

from morelli.data_pipeline.converters.casia import casia

EXPECTED = """
Au/Au_ani_0001.jpg                                        untouched
Tp/Sp/Sp_D_NNN_A_ani0001_art0002_0003.jpg                 splices (also "Modified Tp/Sp")
Tp/CM/Sp_S_NNN_A_ani0001_ani0001_0003.jpg                 copies (also "Modified Tp/CM")
CASIA 1.0 groundtruth/Sp/<name>_gt.png, .../CM/<name>_gt.png
"""


read = casia("casia1")
"""List untouched pictures, splices and copies; `NotThereError` without Au or Tp."""
