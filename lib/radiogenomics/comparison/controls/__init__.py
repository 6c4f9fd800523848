"""The verdict on a cohort: is a result luck, volume, scanner, or does it come from the lesion?"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["images", "luck", "verdict"]
)
