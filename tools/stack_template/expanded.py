"""Expands template.yaml as CloudFormation does: the SAM transform turns functions and their events into plain resources.

`python -m stack_template.expanded REGION` prints the result. Checks and tests read it, because that is what AWS deploys.
"""

from __future__ import annotations

import copy
import json
import sys
from functools import cache
from typing import Any, Final

import yaml

from stack_template.topics import ROOT

_CODE: Final = "s3://artifacts/code"
"""Where a folder would lie after `sam package`: the transform refuses a local path."""


class _Loader(yaml.CSafeLoader):
    """Reads CloudFormation's short forms as their long ones."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TypeError(f"YAML has no node of the kind {type(node).__name__}")
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def loaded(source: str) -> dict[str, Any]:
    """Return a template as data, with the long forms of its functions."""
    template: dict[str, Any] = yaml.load(source, Loader=_Loader)  # noqa: S506 - a SafeLoader # nosec B506
    return template


@cache
def source() -> dict[str, Any]:
    """Return template.yaml as data; the caller must not change it."""
    return loaded((ROOT / "template.yaml").read_text())


def expanded(template: dict[str, Any], region: str) -> dict[str, Any]:
    """Return a template after the SAM transform in a region; the one passed stays as it is.

    Raises:
        samtranslator.model.exceptions.InvalidDocumentException: SAM refuses the template.

    """
    from boto3.session import Session
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    packaged = copy.deepcopy(template)
    for resource in packaged["Resources"].values():
        for code in ("CodeUri", "ContentUri"):
            if code in resource.get("Properties", {}):
                resource["Properties"][code] = _CODE
    # A region alone: no call is made, and no account is read.
    session = Session(region_name=region, aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106 # nosec B106
    translator = Translator({}, Parser(), boto_session=session)
    result: dict[str, Any] = translator.translate(
        sam_template=packaged, parameter_values={}, feature_toggle=None, passthrough_metadata=None
    )
    return result


if __name__ == "__main__":
    json.dump(expanded(source(), sys.argv[1]), sys.stdout, indent=1)
