"""A patient's CT, outline and map to look at: slices (live and in mailed HTML), and 3D."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "contact_sheet": ["show_contact_sheet"],
        "viewer": ["Scene", "scene_of_images", "show", "static_html"],
        "volume_view": ["show_volume"],
    },
)
