"""Where the product is in its images, estimated; `synth.parts` decides for a product whether that is used.

Against a plain ground one image is enough (`contrast`), wherever the product lies in it. Where it is not, as with a
dark part on a dark ground, the good images of a fixed camera are taken together (`faint`). An image without a plain
ground, as of a texture that fills the frame, is product everywhere.
"""

from synth.foreground.estimate import Learnt, Look, foreground, learn

__all__ = ["Learnt", "Look", "foreground", "learn"]
