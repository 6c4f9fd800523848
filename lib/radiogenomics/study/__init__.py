"""The study: its settings, its folder and files, what its tables hold, how its pages look."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["StudyError"],
        "study": ["Study", "load_study"],
    },
)
