import numpy as np

from gatescope.models.small_cnn import small_top, small_trunk


def test_a_cell_of_the_map_stands_for_eight_pixels_when_there_are_three_channels():
    assert small_trunk(96, (4, 6, 8)).output_shape == (None, 12, 12, 8)


def test_a_cell_sees_as_far_as_the_largest_object_and_no_further():
    trunk = small_trunk(160, (4, 4, 4))
    photo = np.full((1, 160, 160, 3), 128, np.float32)
    plain = trunk(photo, training=False).numpy()
    photo[:, 80, 80] = 255
    rows = np.flatnonzero(np.abs(trunk(photo, training=False).numpy() - plain).max((0, 2, 3)))
    assert 32 / 8 <= len(rows) <= 48 / 8 + 1


def test_pixels_reach_the_first_convolution_between_minus_one_and_one():
    rescaled = small_trunk(32, (2, 2, 2)).get_layer("rescaling")(np.array([0.0, 128.0, 256.0]))
    np.testing.assert_allclose(rescaled, [-1, 0, 1])


def test_the_top_narrows_a_map_of_any_size():
    assert small_top(8, 3)(np.zeros((2, 5, 7, 8), np.float32)).shape == (2, 5, 7, 3)
