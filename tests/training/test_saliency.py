"""The saliency map, against its definition."""

import numpy as np

from training.saliency import mask, saliency


def test_matches_the_definition_pixel_by_pixel():
    image = np.random.default_rng(0).integers(0, 256, (7, 9), dtype=np.uint8)
    values = image.astype(np.int64).ravel()
    contrast = np.abs(values[:, None] - values).sum(1).reshape(image.shape)
    expected = (contrast - contrast.min()) / (contrast.max() - contrast.min())
    np.testing.assert_allclose(saliency(image), expected, atol=1e-6)


def test_the_rare_level_is_salient():
    image = np.full((10, 10), 30, np.uint8)
    image[4, 5] = 200
    expected = np.zeros((10, 10))
    expected[4, 5] = 1
    np.testing.assert_array_equal(saliency(image), expected)
    np.testing.assert_array_equal(mask(image), expected * 255)


def test_a_constant_frame_has_no_saliency():
    for level in (0, 255):
        assert not saliency(np.full((4, 4), level, np.uint8)).any()
