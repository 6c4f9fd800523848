"""Notebook 01: who can take part, who does and why not, and how the patients look (Table 1).

The labels of test patients leave this room through `seal` alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "eligibility": ["exclude"],
        "included": ["drop_failures", "keep_included", "load_patients", "split"],
        "reading": ["read_cohort"],
    },
    submodules=["figures", "seal", "table1"],
)
