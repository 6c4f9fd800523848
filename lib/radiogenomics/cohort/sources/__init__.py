"""Where a study comes from: one's own folders, a public collection, or the built-in cohort."""
