"""Every operation agrees with the specification: method, path, query, header, body and reply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from inveterate import (
    BASE_URL,
    AmbiguousWriteError,
    AnniversaryCredits,
    Client,
    CreateCredit,
    CreditsForOrders,
    EarlyAccessCampaign,
    FreeShipping,
    InveterateError,
    Member,
    MemberOnlyDiscount,
    MemberPricing,
    NotFoundError,
    Pages,
    Receipt,
    RecurringStoreCredits,
    SignupDiscount,
    SignupStoreCredits,
    StoreCreditsForReferral,
    UnreadableReplyError,
    UpdateMember,
    WebhookSubscription,
    operations,
)
from inveterate._operation_table import endpoints
from inveterate._wire_model import WireModel

from tests.contract.operation_cases import CASES, KEY
from tests.contract.specification_checks import (
    DOCUMENTED,
    OVERLAY,
    SPEC,
    Deviations,
    parameters,
    problems,
    record_of,
    resolved,
    sent,
    sent_async,
)

DTOS: dict[str, type[WireModel]] = {
    "CreateMemberDto": Member,
    "UpdateMemberDto": UpdateMember,
    "CreateCreditDto": CreateCredit,
    "SignupStoreCreditsDto": SignupStoreCredits,
    "RecurringStoreCreditsDto": RecurringStoreCredits,
    "CreditsforOrdersDto": CreditsForOrders,
    "AnniversaryCreditsDto": AnniversaryCredits,
    "StoreCreditsforReferralDto": StoreCreditsForReferral,
    "FreeShippingDto": FreeShipping,
    "MemberOnlyDiscountDto": MemberOnlyDiscount,
    "SignupDiscountDto": SignupDiscount,
    "MemberPricingDto": MemberPricing,
    "EarlyAccessCampaignDto": EarlyAccessCampaign,
    "WebhookDto": WebhookSubscription,
}


def uses(operation_id: str) -> list[Callable[[Any], Any]]:
    """Return the least and the fullest use."""
    case = CASES[operation_id]
    return [case.least] if case.fullest is None else [case.least, case.fullest]


@pytest.mark.parametrize("operation_id", list(DOCUMENTED))
def test_every_operation_is_as_specified(operation_id: str) -> None:
    """Least and fullest use of each operation agree with the specification, less the overlay."""
    method, template, operation = DOCUMENTED[operation_id]
    case = CASES[operation_id]
    rows = {row["name"]: row for row in operations()}
    assert rows[case.name] == {
        "name": case.name,
        "method": method,
        "path": re.sub(r"\{\w+\}", "{}", template),
        "retryable": method == "GET",
    }
    deviations = Deviations(operation_id)
    for use in uses(operation_id):
        request = sent(use, method)
        assert list(problems(operation_id, request, case.path, deviations)) == []
        twin = sent_async(use)
        assert (twin.method, twin.url, twin.content) == (request.method, request.url, request.content)
        assert twin.headers["X-Inveterate-Api-Key"] == KEY
    fullest = sent(uses(operation_id)[-1], method)
    assert set(parameters(operation, "query")) == {name for name, _ in fullest.url.params.multi_items()}


@pytest.mark.parametrize(
    "operation_id", [name for name in DOCUMENTED if "requestBody" in DOCUMENTED[name][2]]
)
def test_the_fullest_use_has_every_documented_field(operation_id: str) -> None:
    """Every documented field of a body can be sent."""
    method, _, operation = DOCUMENTED[operation_id]
    schema = resolved(operation["requestBody"]["content"]["application/json"]["schema"])
    body = json.loads(sent(uses(operation_id)[-1], method).content)
    assert set(schema.get("properties", {})) <= set(body)


def test_nothing_is_missing_and_nothing_is_invented() -> None:
    """The table holds the 31 documented operations and no other."""
    table = {(row["method"], row["path"]) for row in operations()}
    assert table == {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path, _ in DOCUMENTED.values()}
    assert len(operations()) == len(DOCUMENTED) == len(CASES) == 31
    assert len({row["name"] for row in operations()}) == 31


def test_each_deviation_is_needed_and_argued() -> None:
    """Every entry of the overlay is used by a request."""
    used: set[int] = set()
    for operation_id, (method, _, _) in DOCUMENTED.items():
        deviations = Deviations(operation_id)
        for use in uses(operation_id):
            list(problems(operation_id, sent(use, method), CASES[operation_id].path, deviations))
        used |= deviations.used
    assert used == set(range(len(OVERLAY["requests"])))
    for entry in (*OVERLAY["requests"], *OVERLAY["replies"], *OVERLAY["address"]):
        assert entry["trap"]
        assert len(entry["reason"]) > 40
    assert OVERLAY["address"][0]["base"] == SPEC["servers"][0]["url"] == BASE_URL


SHAPES: dict[str, Any] = {
    "object": {"message": "ok", "data": {"customerId": "42", "merchantId": "m", "tierId": "t", "type": "X"}},
    "array": {"message": "ok", "data": [{"customerId": "42", "merchantId": "m", "tierId": "t", "type": "X"}]},
    "object_with_array": {"message": "ok", "data": {"things": [{"customerId": "42"}]}},
    "missing": {"message": "ok"},
    "null": {"message": "ok", "data": None},
}
DATA, REFUSED, SUCCESS, DELETED = OVERLAY["replies"]


def outcome_of(operation_id: str, reply: httpx.Response) -> Any:
    """Return the value or the error of an operation with this reply; all other requests are answered."""
    method, template, _ = DOCUMENTED[operation_id]

    def answer(request: httpx.Request) -> httpx.Response:
        check = request.url.path == "/v2.0/admin/merchant" != template
        return record_of(request) if check or request.method != method else reply

    with Client(KEY, transport=httpx.MockTransport(answer)) as client:
        try:
            result = CASES[operation_id].least(client)
            return list(result) if isinstance(result, Pages) else result
        except InveterateError as error:
            return error


@pytest.mark.parametrize("status", SUCCESS["success"])
@pytest.mark.parametrize("shape", DATA["data"])
@pytest.mark.parametrize("operation_id", list(DOCUMENTED))
def test_data_of_any_documented_shape_is_read(operation_id: str, shape: str, status: int) -> None:
    """`data` may be an object, an array, or hold an array: a write accepts it, a read is typed."""
    result = outcome_of(operation_id, httpx.Response(status, json=SHAPES[shape]))
    if DOCUMENTED[operation_id][0] == "GET":
        assert not isinstance(result, Receipt)
        assert result is not None
    else:
        assert isinstance(result, Receipt)


@pytest.mark.parametrize("shape", REFUSED["refused"])
@pytest.mark.parametrize("operation_id", list(DOCUMENTED))
def test_a_reply_without_data_is_not_a_success(operation_id: str, shape: str) -> None:
    """A read fails, and a write is ambiguous: a gateway's own body is a 200 as well."""
    result = outcome_of(operation_id, httpx.Response(200, json=SHAPES[shape]))
    if DOCUMENTED[operation_id][0] == "GET":
        assert isinstance(result, UnreadableReplyError | NotFoundError)
    else:
        assert type(result) is AmbiguousWriteError


@pytest.mark.parametrize("status", [202, 203, 204, 206])
@pytest.mark.parametrize("operation_id", list(DOCUMENTED))
def test_an_undocumented_2xx_is_not_a_success(operation_id: str, status: int) -> None:
    """Except for a DELETE with a 204."""
    result = outcome_of(operation_id, httpx.Response(status, content=b""))
    if status in DELETED["success_without_body"] and operation_id in DELETED["operations"]:
        assert isinstance(result, Receipt)
    elif DOCUMENTED[operation_id][0] == "GET":
        assert type(result) is UnreadableReplyError
    else:
        assert type(result) is AmbiguousWriteError


@pytest.mark.parametrize(("dto", "model"), list(DTOS.items()))
def test_every_field_of_every_schema_has_a_name_here(dto: str, model: type[WireModel]) -> None:
    """No field of the Schemas page is left to `model_extra`."""
    wire_names = set()
    for name, info in model.model_fields.items():
        aliases = info.validation_alias or info.alias or name
        wire_names |= set(getattr(aliases, "choices", None) or [aliases])
    assert set(SPEC["components"]["schemas"][dto]["properties"]) <= wire_names


def test_every_schema_has_a_model() -> None:
    """Every schema has a class; the envelope is `Page` and `Receipt`."""
    schemas = {name for name in SPEC["components"]["schemas"] if name.endswith("Dto")}
    assert schemas == {*DTOS, "ResponseBodyDto"}


@pytest.mark.parametrize("endpoint", list(endpoints()), ids=lambda endpoint: endpoint.name)
def test_every_operation_has_a_docstring_and_its_page(endpoint: Any) -> None:
    """A docstring of a sentence, and the page that the specification names."""
    summary = (endpoint.__doc__ or "").splitlines()[0]
    assert summary.endswith((".", "`."))
    (page,) = [
        operation["x-page"]
        for method, path, operation in DOCUMENTED.values()
        if (method, re.sub(r"\{\w+\}", "{}", path)) == (endpoint.method, endpoint.template)
    ]
    assert endpoint.page == page
