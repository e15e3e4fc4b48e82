"""Reads CloudFormation templates: YAML with tags such as `!Sub`, of which only the plain parts matter here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from relay_cli.errors import CliError


class _Loader(yaml.CSafeLoader):
    """Reads a tag as what it is put on."""


def _any_tag(loader: _Loader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - YAML has these three kinds of nodes
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _any_tag)


def read_template(text: str) -> Mapping[str, Any]:
    """Return a template without the meaning of its tags."""
    content: Mapping[str, Any] = yaml.load(text, _Loader)  # noqa: S506  # nosec B506 - a safe loader that knows more tags
    return content


def parameters_of(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the parameters of a template file by name.

    Raises:
        CliError: the file is not there.

    """
    if not path.is_file():
        raise CliError(f"{path} is missing", "run the command in a checkout of Relay")
    parameters: Mapping[str, Mapping[str, Any]] = read_template(path.read_text(encoding="utf-8"))[
        "Parameters"
    ]
    return parameters
