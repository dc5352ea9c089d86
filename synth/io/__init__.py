"""Files: atomic writes, images and masks, PNG, file names, point clouds and meshes. Knows nothing of runs or
recipes."""
