import cv2
import numpy as np
import pytest

from morelli.data_pipeline.maker.shapes import clock_sector


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_a_sector_covers_its_share_in_one_piece_and_reaches_the_border(share: float) -> None:
    for seed in range(10):
        mask = clock_sector(np.random.default_rng(seed), 240, 320, share)
        assert mask.shape == (240, 320)
        assert float(mask.mean()) == pytest.approx(share, abs=0.01)
        inside = (mask >= 0.5).astype(np.uint8)
        largest = np.sort(cv2.connectedComponentsWithStats(inside)[2][1:, cv2.CC_STAT_AREA])[-1]
        assert largest > 0.98 * inside.sum()
        rim = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
        assert rim.any()
