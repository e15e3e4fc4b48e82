"""botocore's models, read once in a process: each session of its own reads them anew, half of the time of a command's test."""

from __future__ import annotations

import os
from functools import cache

from botocore.loaders import Loader


class _Paths(list[str]):
    """The folders of models, each once: boto3 adds its own one to the loader of each session."""

    def append(self, path: str) -> None:
        """Add a folder that is not there yet."""
        if path not in self:
            super().append(path)


@cache
def shared_loader(search_path: str | None = None) -> Loader:
    """Return the one loader for these folders, in place of `botocore.session.create_loader`."""
    return Loader(extra_search_paths=_Paths(search_path.split(os.pathsep) if search_path else ()))
