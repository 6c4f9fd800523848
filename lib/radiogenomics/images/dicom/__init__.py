"""DICOM: a CT series chosen, checked and read, its acquisition, and the outlines drawn on it."""
