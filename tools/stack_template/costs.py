"""What a month of a stack costs in dollars: counted in the expanded template, at the prices of a date.

A resource whose type has no entry in `PRICED` or `FREE` is an error, so that nothing costs money unseen. What the
template cannot say, such as the lines that an event logs, stands in `Usage` as an assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from relay.model.metrics import METRICS, TOPICS
from relay.topics import FOLDERS

PRICED_ON: Final = "2026-11-27"
REGION: Final = "us-east-1"

MONTH_MINUTES: Final = 30 * 24 * 60

SQS_MILLION: Final = 0.40
SQS_FREE: Final = 1_000_000
POLLER_RECEIVES_A_MINUTE: Final = 3
"""Long polling waits 20 s."""
POLLERS_IDLE: Final = 2
POLLERS_WITH_MAXIMUM: Final = 5
"""Lambda keeps five pollers at an idle queue where MaximumConcurrency is set, and comes down to two elsewhere."""
ALARM_METRIC: Final = 0.10
ALARM_METRICS_FREE: Final = 10
_MINUTE: Final = 60
_HIGH_RESOLUTION: Final = 3
SERIES: Final = 0.30
SERIES_FREE: Final = 10
DASHBOARD: Final = 3.00
DASHBOARDS_FREE: Final = 3
LOG_GB: Final = {"STANDARD": 0.50, "INFREQUENT_ACCESS": 0.25}
LOG_GB_FREE: Final = 5.0
LAMBDA_GB_SECOND: Final = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
LAMBDA_GB_SECONDS_FREE: Final = 400_000
LAMBDA_MILLION: Final = 0.20
LAMBDA_FREE: Final = 1_000_000
PROVISIONED_GB_SECOND: Final = {"arm64": 0.0000033334, "x86_64": 0.0000041667}
HTTP_API_MILLION: Final = 1.00
SNS_MILLION: Final = 0.50
SNS_FREE: Final = 1_000_000
DYNAMODB_WRITE_MILLION: Final = 0.625
DYNAMODB_READ_MILLION: Final = 0.125
DYNAMODB_CAPACITY_MONTH: Final = {"ReadCapacityUnits": 0.09, "WriteCapacityUnits": 0.47}
FIREHOSE_GB: Final = 0.029
FIREHOSE_RECORD_KB: Final = 5
KMS_KEY: Final = 1.00
SECRET: Final = 0.40
KMS_REQUESTS: Final = 0.03 / 10_000
KMS_REQUESTS_FREE: Final = 20_000
KMS_MINUTES: Final = 5
"""DynamoDB asks for a table's key once in five minutes for each caller."""

FREE: Final = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::IAM::Role",
        "AWS::KinesisFirehose::DeliveryStream",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::Logs::LogStream",
        "AWS::Logs::QueryDefinition",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::Scheduler::Schedule",
        "AWS::Scheduler::ScheduleGroup",
    }
)
"""Types that cost nothing by being there; some cost by use (`Usage`)."""


PRICED: Final = frozenset(
    {
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Lambda::Version",
        "AWS::SecretsManager::Secret",
    }
)
"""Types that are counted below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A shop: its stack's parameters, and its events in a month."""

    name: str
    parameters: Mapping[str, str]
    events: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a tick of the clock and an event use: assumptions, on the safe side of what the local stack shows."""

    tick_seconds: float = 2.0
    tick_log_kb: float = 6.0
    tick_requests: int = 6
    """SQS requests: the notifier's tick is sent, received and deleted, and `unclaimed` is read."""
    tick_reads: int = 40
    receiver_seconds: float = 0.05
    consumer_seconds: float = 0.10
    event_log_kb: float = 2.5
    event_requests: float = 5.0
    """SQS requests of an event with its change; receives and deletes are shared by a batch."""
    event_writes: float = 5.0
    event_reads: float = 3.0
    event_changes: float = 1.0


USAGE: Final = Usage()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the bill. What does not depend on the number of events is fixed."""

    part: str
    quantity: float
    dollars: float
    fixed: bool = True


def bill(template: Mapping[str, Any], shop: Shop, *, free_tier: bool = True) -> list[Line]:
    """Return a month's bill of a stack from its expanded template.

    Raises:
        ValueError: a resource has no known price, or the template says what cannot be priced.

    """
    resources = present(template, shop.parameters)
    resolve = _resolver(template, shop.parameters)
    return list(_lines(resources, shop, resolve, 1 if free_tier else 0))


def _lines(
    resources: Mapping[str, Mapping[str, Any]], shop: Shop, resolve: Callable[[Any], Any], free: int
) -> Iterator[Line]:
    unknown = {resource["Type"] for resource in resources.values()} - FREE - PRICED
    if unknown:
        raise ValueError(f"no price is known for {', '.join(sorted(unknown))}")
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for resource in resources.values():
        kinds.setdefault(resource["Type"], []).append(resource.get("Properties", {}))
    pollers = sum(_pollers(each, resolve) for each in kinds.get("AWS::Lambda::EventSourceMapping", ()))
    ticks = sum(_ticks(each) for each in kinds.get("AWS::Scheduler::Schedule", ()))
    receives = pollers * POLLER_RECEIVES_A_MINUTE * MONTH_MINUTES + ticks * USAGE.tick_requests
    yield Line("SQS, idle pollers and ticks", receives, _over(receives, SQS_FREE * free) * SQS_MILLION / 1e6)
    metrics = sum(_alarm_metrics(each) for each in kinds.get("AWS::CloudWatch::Alarm", ()))
    yield Line("alarm metrics", metrics, _over(metrics, ALARM_METRICS_FREE * free) * ALARM_METRIC)
    series = _series(kinds["AWS::Lambda::Function"], resolve)
    yield Line("metric series", series, _over(series, SERIES_FREE * free) * SERIES)
    dashboards = len(kinds.get("AWS::CloudWatch::Dashboard", ()))
    yield Line("dashboards", dashboards, _over(dashboards, DASHBOARDS_FREE * free) * DASHBOARD)
    yield from _compute(kinds, shop, resolve, ticks, free)
    yield from _storage(kinds, shop, ticks, free)
    if shop.events:
        yield from _traffic(shop, free)


def _compute(
    kinds: Mapping[str, list[Mapping[str, Any]]],
    shop: Shop,
    resolve: Callable[[Any], Any],
    ticks: float,
    free: int,
) -> Iterator[Line]:
    functions = kinds["AWS::Lambda::Function"]
    processor = resolve(functions[0]["Architectures"])[0]
    largest = max(float(each["MemorySize"]) for each in functions) / 1024
    usual = min(float(each["MemorySize"]) for each in functions) / 1024
    work = ticks * USAGE.tick_seconds * largest
    work += (
        shop.events * (USAGE.receiver_seconds + USAGE.consumer_seconds * (1 + USAGE.event_changes)) * usual
    )
    calls = 2 * ticks + shop.events * 3
    dollars = _over(work, LAMBDA_GB_SECONDS_FREE * free) * LAMBDA_GB_SECOND[processor]
    dollars += _over(calls, LAMBDA_FREE * free) * LAMBDA_MILLION / 1e6
    yield Line("Lambda, GB-seconds", work, dollars, fixed=not shop.events)
    versions = [*kinds.get("AWS::Lambda::Alias", ()), *kinds.get("AWS::Lambda::Version", ())]
    kept = sum(
        int(each["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"])
        for each in versions
        if "ProvisionedConcurrencyConfig" in each
    )
    seconds = kept * usual * MONTH_MINUTES * 60
    yield Line("provisioned concurrency", kept, seconds * PROVISIONED_GB_SECOND[processor])


def _storage(
    kinds: Mapping[str, list[Mapping[str, Any]]], shop: Shop, ticks: float, free: int
) -> Iterator[Line]:
    classes = [each.get("LogGroupClass", "STANDARD") for each in kinds.get("AWS::Logs::LogGroup", ())]
    dearest = max((LOG_GB[each] for each in classes), default=0.0)
    logged = (ticks * USAGE.tick_log_kb + shop.events * USAGE.event_log_kb) / 1e6
    yield Line("logs, GB", logged, _over(logged, LOG_GB_FREE * free) * dearest, fixed=not shop.events)
    capacity = sum(
        float(each["ProvisionedThroughput"][name]) * dollars
        for each in kinds.get("AWS::DynamoDB::Table", ())
        if "ProvisionedThroughput" in each
        for name, dollars in DYNAMODB_CAPACITY_MONTH.items()
    )
    reads = ticks * USAGE.tick_reads
    yield Line("DynamoDB, ticks and capacity", reads, capacity + reads * DYNAMODB_READ_MILLION / 1e6)
    tables = kinds.get("AWS::DynamoDB::Table", ())
    encrypted = sum(bool(each.get("SSESpecification", {}).get("SSEEnabled")) for each in tables)
    asked = encrypted * ticks
    if shop.events:
        asked += len(kinds["AWS::Lambda::Function"]) * MONTH_MINUTES / KMS_MINUTES
    requests = _over(asked, KMS_REQUESTS_FREE * free) * KMS_REQUESTS
    yield Line("KMS, requests for tables", asked, requests, fixed=not shop.events)
    keys = len(kinds.get("AWS::KMS::Key", ()))
    secrets = len(kinds.get("AWS::SecretsManager::Secret", ()))
    yield Line("keys and secrets", keys + secrets, keys * KMS_KEY + secrets * SECRET)


def _traffic(shop: Shop, free: int) -> Iterator[Line]:
    """Yield what the events cost, beyond Lambda and logs. The pollers have used up what is free of SQS."""
    events = shop.events
    yield Line("HTTP API", events, events * HTTP_API_MILLION / 1e6, fixed=False)
    requests = events * USAGE.event_requests
    yield Line("SQS, messages", requests, requests * SQS_MILLION / 1e6, fixed=False)
    published = events * USAGE.event_changes
    yield Line("SNS", published, _over(published, SNS_FREE * free) * SNS_MILLION / 1e6, fixed=False)
    dollars = events * USAGE.event_writes * DYNAMODB_WRITE_MILLION / 1e6
    dollars += events * USAGE.event_reads * DYNAMODB_READ_MILLION / 1e6
    yield Line("DynamoDB, events", events, dollars, fixed=False)
    gigabytes = events * FIREHOSE_RECORD_KB / 1e6
    yield Line("Firehose, GB", gigabytes, gigabytes * FIREHOSE_GB, fixed=False)


def _over(number: float, free: float) -> float:
    return max(number - free, 0.0)


def _pollers(mapping: Mapping[str, Any], resolve: Callable[[Any], Any]) -> int:
    if "ProvisionedPollerConfig" in mapping:
        raise ValueError("no price is known for provisioned pollers")
    if mapping["EventSourceArn"]["Fn::GetAtt"][1] == "StreamArn":
        return 0  # Lambda reads a table's stream at no price
    scaling = resolve(mapping.get("ScalingConfig"))
    return POLLERS_WITH_MAXIMUM if scaling and scaling.get("MaximumConcurrency") else POLLERS_IDLE


def _ticks(schedule: Mapping[str, Any]) -> float:
    rate = str(schedule["ScheduleExpression"])
    number, _, unit = rate.removeprefix("rate(").removesuffix(")").partition(" ")
    minutes = {"minute": 1, "minutes": 1, "hour": 60, "hours": 60}.get(unit)
    if minutes is None or not number.isdigit():
        raise ValueError(f"the schedule {rate} cannot be counted")
    return MONTH_MINUTES / (int(number) * minutes)


def _alarm_metrics(alarm: Mapping[str, Any]) -> int:
    """Return what an alarm is billed by: the metrics in it, three times as much each for periods below a minute."""
    stats = [query["MetricStat"] for query in alarm.get("Metrics", ()) if "MetricStat" in query]
    periods = [stat["Period"] for stat in stats] or [alarm["Period"]]
    return sum(1 if period >= _MINUTE else _HIGH_RESOLUTION for period in periods)


def _series(functions: list[Mapping[str, Any]], resolve: Callable[[Any], Any]) -> int:
    """Return the series of our namespace that these functions measure."""
    services: dict[str, set[str]] = {}
    for function in functions:
        service = resolve(function["Environment"]["Variables"])["POWERTOOLS_SERVICE_NAME"]
        is_crm = "TARGET" in function["Environment"]["Variables"]
        kind = "crm_sync" if is_crm else TOPICS if service in FOLDERS.values() else service
        services.setdefault(kind, set()).add(service)
    return sum(
        sum(len(services.get(kind, ())) for kind in metric.measured_by)
        if metric.by_service
        else any(kind in services for kind in metric.measured_by)
        for metric in METRICS
    )


# -- what a stack with these parameters consists of


def present(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Return the resources that a stack with these parameters has."""
    resolve = _resolver(template, parameters)
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or resolve({"Condition": resource["Condition"]})
    }


def _resolver(template: Mapping[str, Any], parameters: Mapping[str, str]) -> Callable[[Any], Any]:
    unknown = parameters.keys() - template["Parameters"].keys()
    if unknown:
        raise ValueError(f"the template has no parameter {', '.join(sorted(unknown))}")
    values = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
    values |= parameters

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(each) for each in value]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function in functions:
                return functions[function](argument)
        return {key: resolve(each) for key, each in value.items()}

    functions: dict[str, Callable[[Any], Any]] = {
        "Ref": lambda name: None if name == "AWS::NoValue" else values.get(name, name),
        "Condition": lambda name: resolve(template["Conditions"][name]),
        "Fn::Equals": lambda sides: resolve(sides[0]) == resolve(sides[1]),
        "Fn::Not": lambda sides: not resolve(sides[0]),
        "Fn::And": lambda sides: all(resolve(side) for side in sides),
        "Fn::Or": lambda sides: any(resolve(side) for side in sides),
        "Fn::If": lambda parts: resolve(parts[1] if resolve({"Condition": parts[0]}) else parts[2]),
        "Fn::Split": lambda parts: str(resolve(parts[1])).split(parts[0]),
        "Fn::Join": lambda parts: (
            joined if isinstance(joined := resolve(parts[1]), str) else parts[0].join(map(str, joined))
        ),
    }
    return resolve
