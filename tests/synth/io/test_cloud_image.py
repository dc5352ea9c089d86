"""Images of clouds."""

import numpy as np

from synth.io.cloud_image import facing_defect, image_of_defect, rendered
from synth.sample import Cloud
from tests.synth.dual.scans import ball_cloud


def test_the_far_side_of_a_closed_cloud_does_not_show_through():
    ball = ball_cloud(20_000).cloud
    colors = np.where(ball.points[:, 2:] > 0, [[255, 0, 0]], [[0, 0, 255]]).astype(np.uint8)
    image, _ = rendered(Cloud(ball.points, ball.normals, colors), np.array([0.0, 0.0, 1.0]), side=201)
    rows, columns = np.mgrid[:201, :201] - 100
    inside = np.hypot(rows, columns) < 85
    assert (image[inside][:, 2] > 0).mean() < 0.001  # places that no point of the near side covers


def test_the_labelled_points_are_seen_from_where_a_cloud_faces_its_defect():
    ball = ball_cloud(5000).cloud
    labels = ball.points @ np.array([0.6, -0.8, 0.0], np.float32) > 0.038
    marked = Cloud(ball.points, ball.normals, labels=labels)
    seen, hidden = (rendered(marked, way * facing_defect(marked))[1].sum() for way in (1, -1))
    assert seen > 50
    assert hidden == 0


def test_a_defect_behind_a_shield_is_shown_from_its_side():
    ball = ball_cloud(5000).cloud
    labels = ball.points[:, 2] > 0.035
    side = np.linspace(-0.12, 0.12, 120)
    shield = np.stack([*(a.ravel() for a in np.meshgrid(side, side)), np.full(side.size**2, 0.1)], 1)
    points = np.concatenate([ball.points, shield]).astype(np.float32)
    normals = np.concatenate([ball.normals, np.broadcast_to([0, 0, 1], shield.shape)]).astype(np.float32)
    marked = Cloud(points, normals, labels=np.append(labels, np.zeros(len(shield), bool)))
    assert not rendered(marked, facing_defect(marked))[1].any()
    assert image_of_defect(marked)[1].sum() > 20
