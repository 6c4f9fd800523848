"""Notebook 06: Grad-CAM of a patient, and how reliable its maps are."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "case": [
            "Case",
            "explain",
            "explain_images",
            "explore",
            "peaks_outside",
            "scene_of_case",
            "show_map",
        ]
    },
    submodules=[
        "figures",
        "gradcam",
        "location",
        "occlusion",
        "outcome",
        "robustness",
        "similarity",
    ],
)
