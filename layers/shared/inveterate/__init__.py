"""Inveterate, for Python: the membership platform's webhooks and API, typed.

    >>> from inveterate import Client, CustomerId
    >>> with Client(api_key) as client:
    ...     member = client.members.get(CustomerId("7733540520067"))
    ...     for entry in client.members.credits.list(member.customer_id):
    ...         print(entry.amount, entry.note)

Names load on first use: `inveterate.webhooks` reads a delivery and needs no HTTP client. The legacy API is `inveterate.v1`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from inveterate._client import AsyncClient, Client
    from inveterate._errors import (
        AmbiguousWriteError,
        BadKeyError,
        BadRequestError,
        ClientClosedError,
        ConflictError,
        ConnectionFailedError,
        InveterateError,
        NotFoundError,
        RateLimitError,
        RefusedLocallyError,
        ServerError,
        StatusError,
        TimedOutError,
        UnreadableReplyError,
        WrongMemberError,
        WrongSettingError,
    )
    from inveterate._grant import GrantResult, GrantStatus
    from inveterate._idempotency import Claim, ClaimState, Intent, Intents, MemoryIntents
    from inveterate._ids import BenefitType, CustomerId, SubscriptionId, TierId
    from inveterate._ledger import ledger_balance
    from inveterate._operation_table import OperationRow, operations
    from inveterate._pagination import AsyncPages, ListEnd, Pages
    from inveterate._replies import Page, Receipt
    from inveterate._retries import NO_RETRIES, Retries
    from inveterate._settings import BASE_URL, Settings
    from inveterate._subscriptions import EnsureResult
    from inveterate._transport import RequestLog
    from inveterate.models.benefits import (
        AnniversaryCredits,
        Benefit,
        Country,
        CreditsForOrders,
        EarlyAccessCampaign,
        FreeShipping,
        MemberOnlyDiscount,
        MemberPricing,
        OtherBenefit,
        RecurringStoreCredits,
        SignupDiscount,
        SignupStoreCredits,
        StoreCreditsForReferral,
    )
    from inveterate.models.members import CreateCredit, CreateMember, CreditEntry, Member, UpdateMember
    from inveterate.models.shop import Merchant, Tier, WebhookSubscription

_MODULE_OF: Final = {
    name: module
    for module, names in {
        "_client": ("AsyncClient", "Client"),
        "_errors": (
            "AmbiguousWriteError",
            "BadKeyError",
            "BadRequestError",
            "ClientClosedError",
            "ConflictError",
            "ConnectionFailedError",
            "InveterateError",
            "NotFoundError",
            "RateLimitError",
            "RefusedLocallyError",
            "ServerError",
            "StatusError",
            "TimedOutError",
            "UnreadableReplyError",
            "WrongMemberError",
            "WrongSettingError",
        ),
        "_grant": ("GrantResult", "GrantStatus"),
        "_ids": ("BenefitType", "CustomerId", "SubscriptionId", "TierId"),
        "_idempotency": ("Claim", "ClaimState", "Intent", "Intents", "MemoryIntents"),
        "_ledger": ("ledger_balance",),
        "_operation_table": ("OperationRow", "operations"),
        "_pagination": ("AsyncPages", "ListEnd", "Pages"),
        "_replies": ("Page", "Receipt"),
        "_retries": ("NO_RETRIES", "Retries"),
        "_settings": ("BASE_URL", "Settings"),
        "_subscriptions": ("EnsureResult",),
        "_transport": ("RequestLog",),
        "models.benefits": (
            "AnniversaryCredits",
            "Benefit",
            "Country",
            "CreditsForOrders",
            "EarlyAccessCampaign",
            "FreeShipping",
            "MemberOnlyDiscount",
            "MemberPricing",
            "OtherBenefit",
            "RecurringStoreCredits",
            "SignupDiscount",
            "SignupStoreCredits",
            "StoreCreditsForReferral",
        ),
        "models.members": ("CreateCredit", "CreateMember", "CreditEntry", "Member", "UpdateMember"),
        "models.shop": ("Merchant", "Tier", "WebhookSubscription"),
    }.items()
    for name in names
}

__all__ = [
    "BASE_URL",
    "NO_RETRIES",
    "AmbiguousWriteError",
    "AnniversaryCredits",
    "AsyncClient",
    "AsyncPages",
    "BadKeyError",
    "BadRequestError",
    "Benefit",
    "BenefitType",
    "Claim",
    "ClaimState",
    "Client",
    "ClientClosedError",
    "ConflictError",
    "ConnectionFailedError",
    "Country",
    "CreateCredit",
    "CreateMember",
    "CreditEntry",
    "CreditsForOrders",
    "CustomerId",
    "EarlyAccessCampaign",
    "EnsureResult",
    "FreeShipping",
    "GrantResult",
    "GrantStatus",
    "Intent",
    "Intents",
    "InveterateError",
    "ListEnd",
    "Member",
    "MemberOnlyDiscount",
    "MemberPricing",
    "MemoryIntents",
    "Merchant",
    "NotFoundError",
    "OperationRow",
    "OtherBenefit",
    "Page",
    "Pages",
    "RateLimitError",
    "Receipt",
    "RecurringStoreCredits",
    "RefusedLocallyError",
    "RequestLog",
    "Retries",
    "ServerError",
    "Settings",
    "SignupDiscount",
    "SignupStoreCredits",
    "StatusError",
    "StoreCreditsForReferral",
    "SubscriptionId",
    "Tier",
    "TierId",
    "TimedOutError",
    "UnreadableReplyError",
    "UpdateMember",
    "WebhookSubscription",
    "WrongMemberError",
    "WrongSettingError",
    "ledger_balance",
    "operations",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
