"""The script `trace_event` plays an event as far as HubSpot and Slack, and prints what it entered."""

from __future__ import annotations

import json
import subprocess

from tests.support.port_fakes import ROOT


def test_the_trace_reaches_hubspot_and_slack() -> None:
    """Each stage enters its own function first; the adapters of HubSpot and Slack are on the way."""
    ran = subprocess.run(
        [ROOT / "scripts/trace_event"], capture_output=True, text=True, check=True, timeout=60
    )
    *lines, last = ran.stdout.splitlines()
    stages: dict[str, list[str]] = {}
    files: list[str] = []
    for line in lines:
        if not line.startswith(" "):
            files = stages[line.partition(":")[0]] = []
        else:
            files.append(line.split()[1])
    assert list(stages) == ["receiver", "consumer", "fanout", "crm_sync", "notifier"]
    for name in ("receiver", "fanout", "crm_sync", "notifier"):
        assert stages[name][0] == f"functions/{name}/app.py"
    assert "functions/payment_failed/app.py" in stages["consumer"]
    assert "layers/shared/relay/adapters/hubspot/client.py" in stages["crm_sync"]
    assert "layers/shared/relay/adapters/channels/slack.py" in stages["notifier"]
    result = json.loads(last.removeprefix("RESULT "))
    shared = {path for name in ("receiver", "consumer", "fanout") for path in stages[name]}
    assert result["files_to_hubspot"] == len(shared | set(stages["crm_sync"]))
    assert result["files_to_slack"] == len(shared | set(stages["notifier"]))
    for way in ("hubspot", "slack"):
        assert result[f"moves_to_{way}"] >= result[f"pairs_to_{way}"] > 0
