"""Notebook 03: PyRadiomics features, two readers, the signature (paper, Radiomics)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "agreement",
        "embeddings",
        "extraction",
        "features",
        "lasso",
        "perturbations",
        "second_reader",
        "signature",
    ],
)
