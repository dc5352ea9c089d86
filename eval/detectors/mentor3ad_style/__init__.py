"""In the style of Mentor3AD (arXiv 2505.21420), of which only the skeleton is known; built on CFM, which it extends."""
