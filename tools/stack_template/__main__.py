"""Writes the generated sections of template.yaml anew; with --check, only says whether they are current."""

from __future__ import annotations

import sys

from stack_template import crm_blocks, dashboard, topics
from stack_template.sections import written


def sections() -> dict[str, str]:
    """Return the text of each section of template.yaml that is generated."""
    return {
        "crm parameters": crm_blocks.parameters(),
        "crm rules": crm_blocks.rules(),
        "crm conditions": crm_blocks.conditions(),
        "queues of the receiver": topics.queue_arns(18),
        "variables of the receiver": topics.queue_variables(10),
        "topics": topics.blocks(),
        "crms": crm_blocks.blocks(),
        "queues of the clock": topics.queue_arns(18),
        "crm queues of the clock": crm_blocks.queue_arns(18),
        "variables of the clock": topics.queue_variables(10),
        "crm queues that the clock knows": crm_blocks.queue_urls(14),
        "dashboard": dashboard.dashboard(),
        "crm outputs": crm_blocks.outputs(),
        "topic outputs": topics.outputs(),
    }


def main(arguments: list[str]) -> int:
    """Write template.yaml, or check it; return the exit code."""
    path = topics.ROOT / "template.yaml"
    template = path.read_text()
    current = written(template, sections())
    if arguments == ["--check"]:
        if current != template:
            print("template.yaml is not what its topics and CRMs say: run `make template`")
            return 1
        return 0
    path.write_text(current)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
