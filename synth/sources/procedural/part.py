"""A part under an inspection camera: its surface maps and the pinhole view of them.

Frame: camera coordinates in metres, x right, y down, z away from the camera, which looks straight down on a fixture
plane at z = `distance`. Heights are metres above that plane, towards the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth.sources.procedural.noise import grid

GRAZING = 0.17  # cosine between the surface and the line of sight under which a depth camera sees nothing (80 degrees)


@dataclass(frozen=True, slots=True)
class Part:
    """Everything that decides how a part looks, per pixel. A good part and its defective version differ here alone.

    | field     | type                 | meaning                                                                       |
    |-----------|----------------------|-------------------------------------------------------------------------------|
    | height    | float32 (H, W) metre | over the fixture plane                                                        |
    | albedo    | float32 (H, W, 3)    | linear diffuse reflectance, 0..1                                              |
    | gloss     | float32 (H, W)       | mirror-like reflectance at normal incidence, 0..1                             |
    | roughness | float32 (H, W)       | width of the highlight, 0.05 (polished) .. 1 (matt)                           |
    | inside    | float32 (H, W) metre | signed distance to the part's nearest edge, positive on the part              |
    | pitch     | float, metre         | size of a pixel on the fixture plane                                          |
    | grooves   | (H, W, 2) or None    | unit direction (x, y) of machining marks, which draw the highlight out        |
    | yarns     | (H, W, 2) or None    | cloth only: running number of the (warp, weft) yarn, whole at its centre line |
    | axial     | float32 (H, W), None | screw only: metres along the part's own axis from its head's end              |
    """

    height: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    roughness: np.ndarray
    inside: np.ndarray
    pitch: float
    grooves: np.ndarray | None = None
    yarns: np.ndarray | None = None
    axial: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A pinhole camera `distance` metres above the plane; `frame` metres of it fill the image's short side."""

    shape: tuple[int, int]
    frame: float
    distance: float = 0.4

    @property
    def pitch(self) -> float:
        """Metres a pixel on the fixture plane."""
        return self.frame / min(self.shape)

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.distance / self.pitch

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point (cx, cy) in pixels; pixel (0, 0) has its centre at (0, 0)."""
        return (self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2

    def plane(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each pixel looks on the fixture plane: x and y in metres, float32 (H, W) each."""
        rows, columns = grid(self.shape)
        cx, cy = self.centre
        return (columns - cx) * np.float32(self.pitch), (rows - cy) * np.float32(self.pitch)

    def points(self, height: np.ndarray) -> np.ndarray:
        """The seen surface point of every pixel, float32 (H, W, 3) metres: (u - cx, v - cy, f) * z / f."""
        depth = self.distance - height
        x, y = self.plane()
        return np.stack([x * depth / self.distance, y * depth / self.distance, depth], axis=-1).astype(np.float32)

    def normals(self, height: np.ndarray) -> np.ndarray:
        """Unit normals facing the camera (z < 0), float32 (H, W, 3), of the surface through `points(height)`.

        With z(u, v) on pixel rays and u, v from the centre: along (f z_u, f z_v, -(z + u z_u + v z_v))."""
        slope_v, slope_u = np.gradient(-height)
        x, y = self.plane()
        u, v = x / self.pitch, y / self.pitch
        depth = self.distance - height
        normal = np.stack([self.focal * slope_u, self.focal * slope_v, -(depth + u * slope_u + v * slope_v)], axis=-1)
        return (normal / np.linalg.norm(normal, axis=-1, keepdims=True)).astype(np.float32)

    def cloud(self, height: np.ndarray) -> np.ndarray:
        """Organised cloud (H, W, 3) of exact points, (0, 0, 0) where the surface is seen at a grazing angle.

        The fixture plane returns as well; steep walls (hole walls, rims) do not, as with a real depth camera."""
        points = self.points(height)
        facing = -np.einsum("ijk,ijk->ij", points, self.normals(height)) / np.linalg.norm(points, axis=-1)
        return np.where(facing[..., None] >= GRAZING, points, np.float32(0))
