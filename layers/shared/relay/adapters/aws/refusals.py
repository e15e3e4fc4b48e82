"""What each error code of AWS means for a message: not now, not with these settings, or never.

    permanent       this request can never work: the message goes to the dead letters, and what stands beside it goes on
    misconfigured   not until a permission, a key or a resource is corrected: deferred, with an alarm
    transient       not now; also every code that is not in these tables

A code has several spellings: SQS sends the one of its older protocol in a header, which wins
(`AWS.SimpleQueueService.NonExistentQueue` for `QueueDoesNotExist`, `KMS.DisabledException` for `KmsDisabled`), and
clients of other protocols see the shape's name. Every spelling stands here.

Sources: the error shapes of the service models sqs 2012-11-05, sns 2010-03-31, firehose 2015-08-04, dynamodb
2012-08-10 and ssm 2014-11-06 with their `error.code` and `awsQueryError` traits; "Common errors" of each API's
reference for what all services send (signatures, tokens, throttling); the developer guides of SQS (characters that a
message may contain) and DynamoDB (an item of over 400 KB is a `ValidationException`). A test compares this table with
the models.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

RefusalKind: TypeAlias = Literal["transient", "misconfigured", "permanent"]

THROTTLED: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "KMS.ThrottlingException",
        "KMSThrottling",
        "KMSThrottlingException",
        "KmsThrottled",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
"""Tried again at once, as throttling (`LimitExceededException` is Firehose's)."""

AGAIN: Final = frozenset(
    {"InternalError", "InternalServerError", "RequestTimeout", "RequestTimeoutException"}
)
"""Tried again at once, as a failure of the server."""

CLOCK_SKEW: Final = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
"""Tried again once with AWS's time, where this machine's clock is wrong."""

_TRANSIENT: Final = (
    THROTTLED
    | AGAIN
    | frozenset(
        {
            "ConditionalCheckFailedException",  # a conflict, where the write has a condition
            "IdempotentParameterMismatchException",
            "InternalErrorException",
            "InternalFailure",
            "OverLimit",  # SQS: too many messages in flight
            "ReplicatedWriteConflictException",
            "RequestExpired",
            "RequestInTheFuture",
            "RequestTimeTooSkewed",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "TransactionCanceledException",  # the caller reads its reasons
            "TransactionConflictException",
        }
    )
)

_MISCONFIGURED: Final = frozenset(
    {
        # Permissions, signatures and credentials: common to all services.
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSecurityException",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        # A resource that is not there, or is not what the setting says.
        "AWS.SimpleQueueService.NonExistentQueue",
        "AWS.SimpleQueueService.UnsupportedOperation",
        "EndpointDisabled",
        "EndpointDisabledException",
        "InvalidAction",
        "InvalidAddress",
        "InvalidSourceException",
        "NotFound",
        "NotFoundException",
        "ParameterNotFound",
        "ParameterVersionNotFound",
        "PlatformApplicationDisabled",
        "PlatformApplicationDisabledException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "UnknownOperationException",
        "UnsupportedOperation",
        # Keys of KMS, as SSM, SNS, SQS and Firehose call them.
        "InvalidKMSResourceException",
        "InvalidKeyId",
        "KMS.AccessDeniedException",
        "KMS.DisabledException",
        "KMS.InvalidKeyUsageException",
        "KMS.InvalidStateException",
        "KMS.NotFoundException",
        "KMS.OptInRequired",
        "KMSAccessDenied",
        "KMSAccessDeniedException",
        "KMSDisabled",
        "KMSDisabledException",
        "KMSInvalidState",
        "KMSInvalidStateException",
        "KMSNotFound",
        "KMSNotFoundException",
        "KMSOptInRequired",
        "KmsAccessDenied",
        "KmsDisabled",
        "KmsInvalidKeyUsage",
        "KmsInvalidState",
        "KmsNotFound",
        "KmsOptInRequired",
    }
)

_PERMANENT: Final = frozenset(
    {
        # DynamoDB: an item of over 400 KB, a key of over 2,048 bytes, a number of over 38 digits.
        "ItemCollectionSizeLimitExceeded",  # the same as a reason of a transaction
        "ItemCollectionSizeLimitExceededException",
        "SerializationException",
        "ValidationError",
        "ValidationException",
        # SQS: a character that it refuses, a message of over 1 MiB, an attribute that cannot be.
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "AWS.SimpleQueueService.EmptyBatchRequest",
        "AWS.SimpleQueueService.InvalidBatchEntryId",
        "AWS.SimpleQueueService.MessageTooLong",
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "InvalidAttributeName",
        "InvalidAttributeValue",
        "InvalidIdFormat",
        "InvalidMessageContents",
        "InvalidParameterCombination",
        "InvalidParameterValue",
        "MessageTooLong",
        "MissingParameter",
        "ReceiptHandleIsInvalid",
        # SNS; the names of SQS's batch errors without their prefix are also the shapes of its JSON protocol.
        "BatchEntryIdsNotDistinct",
        "BatchEntryIdsNotDistinctException",
        "BatchRequestTooLong",
        "BatchRequestTooLongException",
        "EmptyBatchRequest",
        "EmptyBatchRequestException",
        "InvalidBatchEntryId",
        "InvalidBatchEntryIdException",
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValueException",
        "ParameterValueInvalid",
        "TooManyEntriesInBatchRequest",
        "TooManyEntriesInBatchRequestException",
        # Firehose: a record of over 1,000 KiB.
        "InvalidArgumentException",
        # Any service: the request as a whole.
        "MalformedQueryString",
        "RequestEntityTooLarge",
        "RequestEntityTooLargeException",
    }
)

_KINDS: Final[dict[str, RefusalKind]] = {
    **dict.fromkeys(_TRANSIENT, "transient"),
    **dict.fromkeys(_MISCONFIGURED, "misconfigured"),
    **dict.fromkeys(_PERMANENT, "permanent"),
}


def is_known(code: str) -> bool:
    """Return whether the tables name this code."""
    return code in _KINDS


def kind_of(code: str, *, sender_fault: bool = False) -> RefusalKind:
    """Return what a code means; `sender_fault` is what an entry of a batch says of a code that no table has.

    Of a whole call, an unknown code is transient: a message that is deferred in vain ends by age after three days,
    one that is given up in error needs a person.
    """
    return _KINDS.get(code, "permanent" if sender_fault else "transient")
