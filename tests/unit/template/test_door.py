"""The API's routes, and what an update puts live, asserted of the template as CloudFormation sees it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.template_data import deployed

RESOURCES = deployed()


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


ROUTES = [properties["RouteKey"] for properties in of_type("AWS::ApiGatewayV2::Route").values()]


def taken_by(method: str, path: str) -> tuple[str, str] | None:
    """Return the route that the API chooses, and what it calls the key: a full match before a greedy one, ANY last.

    A part in braces is one segment of the path, with a plus all that is left of it
    (docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html).
    """
    found = []
    for key in ROUTES:
        allowed, _, pattern = key.partition(" ")
        expression = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", pattern)
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", expression), path)
        if match and allowed in {method, "ANY"}:
            found.append(("+" in pattern, allowed == "ANY", key, match["key"]))
    return min(found)[2:] if found else None


def test_a_delivery_takes_the_route_that_it_always_took() -> None:
    """The version before has it too, so an update changes nothing for what is on its way."""
    assert taken_by("POST", "/webhooks/abc") == ("POST /webhooks/{key}", "abc")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
def test_other_methods_reach_the_receiver(method: str) -> None:
    """With the key under the name by which the receiver, of whichever version, reads it."""
    assert taken_by(method, "/webhooks/abc") == ("ANY /webhooks/{key+}", "abc")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_a_slash_behind_the_key_reaches_the_receiver(method: str) -> None:
    """A route's own path may not end in a slash, so only a greedy one takes it."""
    assert taken_by(method, "/webhooks/abc/") == ("ANY /webhooks/{key+}", "abc/")
    assert not any(route.endswith("/") for route in ROUTES)


@pytest.mark.parametrize(
    "path", ["/", "/webhooks", "/webhook/abc", "/webhooks2/abc", "/favicon.ico", "/.env"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_any_other_path_is_the_apis_404(method: str, path: str) -> None:
    """No route takes what a scanner of the internet tries: it costs no invocation and no line in the receiver's log."""
    assert taken_by(method, path) is None
    assert "$default" not in ROUTES


def test_the_api_leaves_options_to_the_receiver() -> None:
    """With CORS settings the API answers OPTIONS by itself, with or without a valid key."""
    [api] = of_type("AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api
    routes = of_type("AWS::ApiGatewayV2::Route").values()
    assert all(set(route) == {"ApiId", "RouteKey", "Target"} for route in routes)  # no authoriser


def function_of(route: dict[str, Any]) -> str:
    """Return the function that a route leads to."""
    integration = route["Target"]["Fn::Sub"].removeprefix("integrations/${").removesuffix("}")
    function, attribute = of_type("AWS::ApiGatewayV2::Integration")[integration]["IntegrationUri"][
        "Fn::GetAtt"
    ]
    assert attribute == "Arn"
    return str(function)


def test_all_below_webhooks_leads_to_the_receiver() -> None:
    """And nothing else does."""
    leads = {route["RouteKey"]: function_of(route) for route in of_type("AWS::ApiGatewayV2::Route").values()}
    webhooks = {key for key in leads if key.partition(" ")[2].startswith("/webhooks/")}
    assert webhooks == {"POST /webhooks/{key}", "ANY /webhooks/{key+}"}
    assert {key for key, function in leads.items() if function == "ReceiverFunction"} == webhooks


@pytest.mark.parametrize("route", of_type("AWS::ApiGatewayV2::Route"))
def test_the_api_may_call_the_function_before_the_route_is_there(route: str) -> None:
    """A route whose function may not be called answers 500. Where it takes any method, so does the permission."""
    waits_for = RESOURCES[route]["DependsOn"]
    [name] = waits_for if isinstance(waits_for, list) else [waits_for]
    permission = RESOURCES[name]["Properties"]
    properties = RESOURCES[route]["Properties"]
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["FunctionName"] == {"Ref": function_of(properties)}
    method, _, path = properties["RouteKey"].partition(" ")
    allowed = permission["SourceArn"]["Fn::Sub"].partition(":${Api}/*/")[2].replace("*", ".*")
    assert re.fullmatch(allowed, f"{method}{path}")


def test_the_access_log_tells_the_method() -> None:
    """The second route takes any, so its key does not."""
    [stage] = of_type("AWS::ApiGatewayV2::Stage").values()
    assert '"method":"$context.httpMethod"' in stage["AccessLogSettings"]["Format"]


def test_a_changed_layer_goes_live_for_every_function() -> None:
    """Each function names the layer's version that the stack makes; a changed layer is a resource of another name.

    The receiver has none: layer, variables and code change in separate calls.
    """
    [layer] = of_type("AWS::Lambda::LayerVersion")
    assert re.fullmatch(r"SharedLayer[0-9a-f]{10}", layer)
    functions = of_type("AWS::Lambda::Function")
    layers = {name: properties.get("Layers", []) for name, properties in functions.items()}
    assert layers.pop("ReceiverFunction") == []
    assert all(named == [{"Ref": layer}] for named in layers.values())


def test_no_version_of_a_function_stands_between_it_and_its_callers() -> None:
    """SAM publishes none for a changed layer or variable alone: behind an alias neither would go live."""
    assert not of_type("AWS::Lambda::Version")
    assert not of_type("AWS::Lambda::Alias")
    for mapping in of_type("AWS::Lambda::EventSourceMapping").values():
        assert mapping["FunctionName"] in [{"Ref": name} for name in of_type("AWS::Lambda::Function")]
    assert {function_of(route) for route in of_type("AWS::ApiGatewayV2::Route").values()} <= set(
        of_type("AWS::Lambda::Function")
    )
