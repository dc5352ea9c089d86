"""The gallery: one page that shows what a run made."""
