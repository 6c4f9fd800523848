"""Notebooks 03 and 04: the models, their training, their scores (paper, CNN, Comparison models)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "classical",
        "classifiers",
        "cnn_training",
        "figures",
        "importance",
        "network",
        "predictions",
    ],
)
