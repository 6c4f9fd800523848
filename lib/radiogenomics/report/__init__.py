"""Running the notebooks, and what a run leaves to be read: pages, manifest, checklists, draft."""
