"""Prints a template of the resources that outlive their stack, with which a new stack takes them over.

CloudFormation imports resources into a stack by a template that has those alone; `sam deploy` then adds all others.
docs/operations.md has the steps.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from stack_template.expanded import source


def retained() -> dict[str, Any]:
    """Return a template with the resources that `template.yaml` retains, and with the parameters that they name."""
    template = source()
    resources = {
        name: resource
        for name, resource in template["Resources"].items()
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate"
    }
    parameters = {
        name: parameter
        for name, parameter in template["Parameters"].items()
        if f"'Ref': '{name}'" in str(resources)
    }
    return {
        "AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"],
        "Parameters": parameters,
        "Resources": resources,
    }


if __name__ == "__main__":
    json.dump(retained(), sys.stdout, indent=1)
