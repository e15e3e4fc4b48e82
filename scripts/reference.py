"""Writes docs/sdk.md, the reference of the SDK, from its docstrings and its table of operations."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import inveterate
from inveterate import _errors, _grant, v1
from inveterate._endpoint import Compound, Endpoint, Listing, Resource
from inveterate._operation_table import RESOURCES
from inveterate.models.base import Record
from inveterate.v1.resources import RESOURCES as V1_RESOURCES
from inveterate.webhooks import ALIASES, LEGACY_TOPICS, TOPICS, model_for

PAGE: Final = Path(__file__).parents[1] / "docs" / "sdk.md"

HEAD: Final = """# The Inveterate SDK

Generated from the docstrings by `scripts/reference`: change those, not this page.

The package `inveterate` needs httpx and pydantic. It needs neither AWS nor Relay.

```python
{example}
```

`AsyncClient` has the same methods: they are awaited, and lists are read with `async for`. Replies are records:
unknown fields are in `model_extra`, the JSON is in `raw`, and unreadable fields are None and named in `drift`. Money is `Decimal`, in the shop's currency unit; times are aware, in UTC.
"""

EVERY_READ: Final = "those of every read"
EVERY_WRITE: Final = "those of every write"


def main(argv: list[str]) -> int:
    """Write the page, or check it; return the exit code."""
    text = "\n".join(page())
    if "--check" not in argv:
        PAGE.write_text(text)
        return 0
    if not PAGE.exists() or PAGE.read_text() != text:
        sys.stderr.write("docs/sdk.md is not current: run scripts/reference\n")
        return 1
    return 0


def page() -> Iterator[str]:
    """Yield the page, block by block."""
    example = re.findall(r"^    (?:>>>|\.\.\.) (.*)$", inveterate.__doc__ or "", re.MULTILINE)
    # A blank line after the imports, as the formatter, which reads Markdown too, would put it.
    yield HEAD.format(example=re.sub(r"^(from .*)$", r"\1\n", "\n".join(example), flags=re.MULTILINE))
    yield from section(
        "Settings", inveterate.Client, inveterate.AsyncClient, inveterate.Settings, inveterate.Retries
    )
    yield f"## Errors\n\n{doc(_errors)}\n"
    yield (
        f"*{EVERY_READ.capitalize()}*: `ConnectionFailedError`, `TimedOutError`, `StatusError` and its branches,\n"
        "`UnreadableReplyError`, after the retries. "
        f"*{EVERY_WRITE.capitalize()}*: the same, except\nthat a failure which may have done the write is an "
        "`AmbiguousWriteError`, and is never repeated.\nAn impossible argument is a `ValueError` "
        "before any request.\n"
    )
    yield from section(
        "Ids", inveterate.CustomerId, inveterate.TierId, inveterate.BenefitType, inveterate.SubscriptionId
    )
    yield "## Operations\n"
    for resource in RESOURCES:
        yield from resource_section(resource)
    yield from section(
        "Granting credits", inveterate.GrantResult, inveterate.Intents, inveterate.MemoryIntents
    )
    yield "\n".join(f"* `{status}`: {text}" for status, text in statuses()) + "\n"
    yield from section("Balance", inveterate.ledger_balance)
    yield from section("Lists", inveterate.Page, inveterate.Pages, inveterate.AsyncPages, inveterate.Receipt)
    yield "## Records\n"
    for name in inveterate.__all__:
        value = getattr(inveterate, name)
        if inspect.isclass(value) and issubclass(value, Record):
            yield f"### {name}\n\n{doc(value)}\n\nFields: {fields(value)}.\n"
    yield from webhooks()
    yield f"## API v1\n\n{doc(v1)}\n"
    yield "| here | method | path | successor |\n|---|---|---|---|"
    yield "\n".join(
        f"| `{each.name}` | {each.method} | `{each.template}` | `{each.successor}` |"
        for resource in V1_RESOURCES
        for each in members_of(resource)
        if isinstance(each, Endpoint)
    )
    yield ""


def section(title: str, *objects: Any) -> Iterator[str]:
    """Yield a heading, and the docstring of each object."""
    yield f"## {title}\n"
    for item in objects:
        yield f"### {item.__name__}\n\n{doc(item)}\n"


def resource_section(resource: type[Resource[Any]]) -> Iterator[str]:
    """Yield a resource and its operations; a private operation is part of its safer public one."""
    yield f"### client.{resource.name}\n\n{doc(sys.modules[resource.__module__])}\n\n{doc(resource)}\n"
    hidden = {
        name: value
        for name, value in vars(resource).items()
        if name.startswith("_") and isinstance(value, Endpoint)
    }
    for name, value in vars(resource).items():
        if name.startswith("_") or not isinstance(value, Endpoint | Compound):
            continue
        endpoint = hidden.get(f"_{name}") if isinstance(value, Compound) else value
        yield f"#### {resource.name}.{name}{signature(value)}\n"
        yield from facts(endpoint, value)
        yield doc(value) + "\n"


def facts(endpoint: Endpoint[Any, Any] | None, value: Any) -> Iterator[str]:
    """Yield the request, its errors and its page, where there is exactly one request."""
    if endpoint is None:
        yield "*Several requests; see the text.*\n"
        return
    errors = EVERY_READ if endpoint.retryable else EVERY_WRITE
    reads = " after a read, where one is needed" if isinstance(value, Compound) else ""
    paged = ", page after page" if isinstance(value, Listing) else ""
    yield f"`{endpoint.method} {endpoint.template}`{reads}{paged}. Errors: {errors}. [Source]({endpoint.page}).\n"


def signature(value: Any) -> str:
    """Return the signature of the call, with its reply."""
    described = inspect.signature(value._describe)  # noqa: SLF001 - our own
    parameters = [parameter for name, parameter in described.parameters.items() if name != "self"]
    reply = re.sub(r"^(?:Call|Steps)\[(.*)\]$", r"\1", str(described.return_annotation))
    if isinstance(value, Listing):
        reply = re.sub(r"^Page\[", "Pages[", reply)
    shown = str(described.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    shown = re.sub(r"(: )'([^']*)'", r"\1\2", shown)
    return f"{shown} → {reply}"


def members_of(resource: type[Resource[Any]]) -> Iterable[Any]:
    """Return the attributes of a resource."""
    members: Iterable[Any] = vars(resource).values()
    return members


def statuses() -> Iterator[tuple[str, str]]:
    """Yield the outcomes of a grant, with their docstrings in the source."""
    source = inspect.getsource(_grant.GrantStatus)
    for value, text in re.findall(r'= "(\w+)"\n\s+"""(.*?)"""', source, re.DOTALL):
        yield value, " ".join(text.split())


def fields(model: type[Record]) -> str:
    """Return the names of a record's fields."""
    return ", ".join(f"`{name}`" for name in model.model_fields)


def webhooks() -> Iterator[str]:
    """Yield the topics and their classes."""
    yield f"## Webhooks\n\n{doc(inveterate.webhooks)}\n"
    yield "| topic | class |\n|---|---|"
    yield "\n".join(f"| `{topic}` | `{model_for(topic).__name__}` |" for topic in TOPICS) + "\n"
    yield "Other names: " + ", ".join(f"`{alias}` for `{topic}`" for alias, topic in ALIASES.items()) + ".\n"
    yield (
        "Topics of v1 alone, read as `LegacyEvent`: "
        + ", ".join(f"`{topic}`" for topic in LEGACY_TOPICS)
        + ".\n"
    )


def doc(item: Any) -> str:
    """Return a docstring; drawings and lists of errors keep their lines."""
    text = inspect.cleandoc(item.__doc__ or "")
    text = re.sub(r"\nRaises:\n((?:    .*\n?)+)", lambda found: "\n" + raises(found[1]), text + "\n").strip()
    return re.sub(r"(?m)^    (?:>>>|\.\.\.) ", "    ", text)


def raises(lines: str) -> str:
    """Return the errors of a docstring as a list."""
    joined = re.sub(r"\n {5,}", " ", inspect.cleandoc("    " + lines.strip("\n")))
    joined = re.sub(r"\n +", " ", joined)
    return (
        "\n".join(
            f"* `{name}`: {text}" for name, text in re.findall(r"^([\w, …]+): (.*)$", joined, re.MULTILINE)
        )
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
