"""`relay sim`: start the simulated platform, and let things happen in one that runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from relay_cli import sim_names
from relay_cli.failing import CliError

DEFAULT_URL: Final = "http://127.0.0.1:8600"


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    parser.epilog = (
        "`relay sim serve --help` names the faults and switches, `trigger --help` the topics, "
        "`play --help` the scenarios."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, about: str, names: Callable[[], str] | None = None) -> argparse.ArgumentParser:
        # As it is written: names in columns are not to be run together into a paragraph.
        return commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=names() if names else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _serve_options(add("serve", "start it on this machine", sim_names.serving))
    trigger = add("trigger", "let one event of a topic happen", sim_names.topics)
    trigger.add_argument("topic", help="one of those below")
    trigger.add_argument("--customer", help="to whom (default: somebody whom it fits)")
    trigger.set_defaults(run=_trigger)
    advance = add("advance", "turn the clock")
    for name in ("days", "hours", "minutes"):
        advance.add_argument(f"--{name}", type=float, default=0.0)
    advance.set_defaults(run=_advance)
    play = add("play", "play a scenario", sim_names.scenarios)
    play.add_argument("scenario", help="its name; `list` lists them")
    play.set_defaults(run=_play)
    for command in (trigger, advance, play):
        command.add_argument(
            "--url",
            default=os.environ.get("RELAY_SIM_URL", DEFAULT_URL),
            help="where it is (default: $RELAY_SIM_URL, else %(default)s)",
        )


def main(arguments: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        CliError: with the simulator's reason, or because none is there.

    """
    import httpx
    from sim.errors import SimError

    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except SimError as error:
        raise CliError(str(error)) from error
    except httpx.HTTPError as error:
        raise CliError(
            f"no simulator at {arguments.url}: {type(error).__name__}", "start one: relay sim serve"
        ) from error


def _serve_options(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--port", type=int, default=8600, help="of this machine alone (default: %(default)s)")
    serve.add_argument("--seed", type=int, default=0, help="the same seed lives the same history")
    serve.add_argument("--members", type=int, default=0, help="how many are there before the history begins")
    serve.add_argument("--start", help="when it begins, ISO (default: noon 60 days ago)")
    serve.add_argument(
        "--shop", default="relay-demo.myshopify.com", help="the shop's domain (default: %(default)s)"
    )
    serve.add_argument(
        "--api-key", help="default: RELAY_SIM_API_KEY of the environment, else a new one, shown once"
    )
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=RATE",
        help="what goes wrong, and how often; several times for several",
    )
    serve.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="how an open point of the documentation is read",
    )
    serve.add_argument("--anywhere", action="store_true", help="call back to other machines too")
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
            raise RefusedError(f"--fault {name}={value}: a rate from 0 to 1") from None
    try:
        start = parse(options.start) if options.start else None
    except ValueError:
        raise RefusedError("--start is like 2026-01-01T12:00:00Z") from None
    world = WorldSettings(seed=options.seed, members=options.members, shop_domain=options.shop, start=start)
    key = options.api_key or os.environ.get("RELAY_SIM_API_KEY")
    more: dict[str, Any] = {"api_key": key} if key else {}
    settings = SimulatorSettings(
        world=world,
        switches=dict(map(_pair, options.switch)),
        faults=faults,
        remote_callbacks=options.anywhere,
        **more,
    )
    if not key:
        print(f"API key: {settings.api_key}", file=sys.stderr, flush=True)
    serve(settings, options.port)
    return 0


def _pair(text: str) -> tuple[str, str]:
    from sim.errors import RefusedError

    name, equals, value = text.partition("=")
    if not equals:
        raise RefusedError(f"{text}: NAME=VALUE is wanted")
    return name, value


def _trigger(options: argparse.Namespace) -> int:
    from sim import player

    body = {"customer_id": options.customer} if options.customer else {}
    with player.over_http(options.url) as (post, _):
        events = post(f"trigger/{options.topic}", body)["events"]
    for told in events:
        print(f"{told['at']}  {told['topic'] or told['v1']}  {told['customer_id']}")
    return 0


def _advance(options: argparse.Namespace) -> int:
    from sim import player

    span = {name: getattr(options, name) for name in ("days", "hours", "minutes") if getattr(options, name)}
    with player.over_http(options.url) as (post, _):
        reply = post("advance", span)
    print(f"{reply['now']}  {reply['caused']} events")
    return 0


def _play(options: argparse.Namespace) -> int:
    from sim import player

    if options.scenario == "list":
        for name in player.names():
            print(f"{name:22} {player.load(name).about}")
        return 0
    scenario = player.load(options.scenario)
    print(scenario.about)
    with player.over_http(options.url) as (post, tiers):
        for played in player.play(scenario, post, tiers):
            said = json.dumps(played.body, ensure_ascii=False)
            print(f"{played.reply.get('now', ''):26}{played.step:14}{said}", flush=True)
    return 0
