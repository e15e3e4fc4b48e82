"""`relay sim ACTION`: run a simulated Inveterate platform, and trigger events in it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from relay_cli.commands.sim import name_lists
from relay_cli.errors import CliError, UsageError
from relay_cli.help import HelpFormatter, describe
from relay_cli.output import show
from relay_cli.secrets import cleaned

_MAX_PORT: Final = 65_535
DEFAULT_URL: Final = "http://127.0.0.1:8600"


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their arguments."""
    describe(
        parser,
        "relay sim serve --members 30",
        "relay sim trigger customer.cancelled",
        notes="`relay sim serve --help` lists the faults and switches, `trigger --help` the topics, and\n"
        "`play --help` the scenarios.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", title="actions")

    def add(name: str, summary: str, example: str, names: Callable[[], str]) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=summary, description=f"{summary}.", formatter_class=HelpFormatter)
        describe(sub, f"relay sim {name} {example}", notes=names())
        return sub

    _add_serve_options(
        add(
            "serve",
            "Run the platform on this machine",
            "--members 30 --fault set=default",
            name_lists.faults_and_switches,
        )
    )
    trigger = add("trigger", "Trigger one event of a topic", "customer.cancelled", name_lists.topics)
    trigger.add_argument("topic", metavar="TOPIC", type=_topic, help="one of the topics below")
    trigger.add_argument(
        "--customer", metavar="CUSTOMER", help="customer id (default: any member that the event fits)"
    )
    trigger.set_defaults(run=_trigger)
    advance = add("advance", "Advance the simulated clock", "--days 3", str)
    for unit in ("days", "hours", "minutes"):
        advance.add_argument(
            f"--{unit}", metavar=unit.upper(), type=float, default=0.0, help=f"{unit} to add"
        )
    advance.set_defaults(run=_advance)
    play = add("play", "Play a scenario", "dunning_lost", name_lists.scenarios)
    play.add_argument("scenario", metavar="SCENARIO", help="name of a scenario; `list` lists them")
    play.set_defaults(run=_play)
    for sub in (trigger, advance, play):
        sub.add_argument(
            "--url",
            metavar="URL",
            default=os.environ.get("RELAY_SIM_URL", DEFAULT_URL),
            help=f"address of the platform (default: $RELAY_SIM_URL, else {DEFAULT_URL})",
        )


def main(arguments: argparse.Namespace) -> int:
    """Run the action; return the exit code.

    Raises:
        CliError: the simulator refuses, or none answers.

    """
    import httpx
    from sim.errors import SimError

    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except SimError as error:
        # What `serve` is refused for are its arguments.
        if run is _serve:
            raise UsageError(str(error)) from error
        raise CliError(str(error), "`relay sim --help` says where topics and scenarios are listed") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CliError(
            f"no simulator answers at {arguments.url}: {type(error).__name__}",
            "start one with `relay sim serve`, and name its address with --url or RELAY_SIM_URL",
        ) from error


def _add_serve_options(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--port",
        metavar="PORT",
        type=_port,
        default=8600,
        help="local port, 0 for a free one (default: %(default)s)",
    )
    serve.add_argument(
        "--seed", metavar="SEED", type=int, default=0, help="the same seed gives the same history"
    )
    serve.add_argument(
        "--members",
        metavar="COUNT",
        type=_count,
        default=0,
        help="members that exist before the history begins",
    )
    serve.add_argument(
        "--start",
        metavar="TIME",
        help="ISO 8601 time at which the history begins (default: noon 60 days ago)",
    )
    serve.add_argument(
        "--shop",
        metavar="DOMAIN",
        default="relay-demo.myshopify.com",
        help="domain of the shop (default: %(default)s)",
    )
    serve.add_argument(
        "--api-key", metavar="KEY", help="API key (default: $RELAY_SIM_API_KEY, else a new one, printed once)"
    )
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=RATE",
        help="fault to inject and its rate; repeat for several",
    )
    serve.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="how the platform behaves where its documentation is unclear; repeat for several",
    )
    serve.add_argument("--anywhere", action="store_true", help="deliver webhooks to other machines as well")
    serve.set_defaults(run=_serve, url="")


def _serve(options: argparse.Namespace) -> int:
    from sim.clock import parse
    from sim.errors import RefusedError
    from sim.faults import SETS
    from sim.programme import WorldSettings
    from sim.server import serve
    from sim.simulator import SimulatorSettings

    faults: dict[str, float] = {}
    for name, value in map(_pair, options.fault):
        try:
            faults |= SETS[value] if name == "set" else {name: float(value)}
        except (KeyError, ValueError):
            raise RefusedError(f"--fault {name}={value}: the rate must be from 0 to 1") from None
    try:
        start = parse(options.start) if options.start else None
    except ValueError:
        raise RefusedError("--start must look like 2026-01-01T12:00:00Z") from None
    world = WorldSettings(seed=options.seed, members=options.members, shop_domain=options.shop, start=start)
    key = options.api_key or os.environ.get("RELAY_SIM_API_KEY")
    key = cleaned(key, "API key") if key else None
    api_key: dict[str, Any] = {"api_key": key} if key else {}
    settings = SimulatorSettings(
        world=world,
        switches=dict(map(_pair, options.switch)),
        faults=faults,
        remote_callbacks=options.anywhere,
        **api_key,
    )
    if not key:
        print(f"API key: {settings.api_key}", file=sys.stderr, flush=True)
    serve(settings, options.port)
    return 0


def _port(text: str) -> int:
    if not 0 <= int(text) <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be between 0 and {_MAX_PORT}")
    return int(text)


def _count(text: str) -> int:
    if int(text) < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return int(text)


def _topic(text: str) -> str:
    from inveterate.webhooks.topics import TOPICS

    if text not in TOPICS:
        raise argparse.ArgumentTypeError(f"{text} is no topic: `relay sim trigger --help` lists them")
    return text


def _pair(text: str) -> tuple[str, str]:
    from sim.errors import RefusedError

    name, equals, value = text.partition("=")
    if not equals:
        raise RefusedError(f"{text} must have the form NAME=VALUE")
    return name, value


def _trigger(options: argparse.Namespace) -> int:
    from sim import player

    body = {"customer_id": options.customer} if options.customer else {}
    with player.over_http(options.url) as (post, _):
        events = post(f"trigger/{options.topic}", body)["events"]
    lines = (f"{event['at']}  {event['topic'] or event['v1']}  {event['customer_id']}" for event in events)
    show(options, events, "\n".join(lines))
    return 0


def _advance(options: argparse.Namespace) -> int:
    from sim import player

    span = {unit: getattr(options, unit) for unit in ("days", "hours", "minutes") if getattr(options, unit)}
    if sum(span.values()) <= 0 or min(span.values()) < 0:
        raise UsageError("name days, hours or minutes above 0", "for example: relay sim advance --days 3")
    with player.over_http(options.url) as (post, _):
        reply = post("advance", span)
    show(options, reply, f"{reply['now']}  {reply['caused']} events")
    return 0


def _play(options: argparse.Namespace) -> int:
    from sim import player

    if options.scenario == "list":
        about = {name: player.load(name).about for name in player.names()}
        show(options, about, "\n".join(f"{name:22} {text}" for name, text in about.items()))
        return 0
    scenario = player.load(options.scenario)
    steps = []
    if not options.json:
        print(scenario.about)
    with player.over_http(options.url) as (post, tiers):
        for played in player.play(scenario, post, tiers):
            steps.append({"now": played.reply.get("now"), "step": played.step, "body": played.body})
            if not options.json:
                body = json.dumps(played.body, ensure_ascii=False)
                print(f"{played.reply.get('now', ''):26}{played.step:14}{body}", flush=True)
    if options.json:
        show(options, steps, "")
    return 0
