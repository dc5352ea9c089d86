"""Training of the bundled base model: procedural images with captions, and the training itself."""
