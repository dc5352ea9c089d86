"""flawsmith's measuring side: what a dataset is worth."""
