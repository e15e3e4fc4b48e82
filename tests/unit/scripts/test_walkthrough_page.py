"""The page of the walkthrough masks what differs from run to run, and nothing else."""

from __future__ import annotations

from scripts.walkthrough_page import Page, shape


def page() -> Page:
    return Page("A title", "A head.", {"https://slack.example": "http://127.0.0.1:4711"})


def test_what_differs_is_masked() -> None:
    """Times, ages, sizes, addresses, digests and suffixes; a table stays aligned."""
    text = page().plain(
        "id            received (UTC)    digest\n"
        "4b32f2a9a69c  2026-11-28 00:25  107bbfe633b7…\n"
        "open for 1 d 23 h, customer 7001\n"
        "last 3 min ago\n"
        "table relay-acme-Members-3A6EF96E9BE31  2.7 kB\n"
        "http://6b1a8b50.execute-api.localhost:51147/webhooks/… and http://127.0.0.1:4711/x\n"
        "2026-11-16T12:48:16.004Z  Mon 16 Nov 2026, 13:48 CET\n"
    )
    assert text == (
        "id            received (UTC)    digest\n"
        "4b32f2a9a69c  YYYY-MM-DD hh:mm  0123456789ab…\n"
        "open for 1 d 20 h, customer 7001\n"
        "last 1 min ago\n"
        "table relay-acme-Members-0123456789ABC  1 kB\n"
        "https://abcde12345.execute-api.us-east-1.amazonaws.com/webhooks/… and https://slack.example/x\n"
        "YYYY-MM-DDThh:mm:ss.mmmZ  (date)\n"
    )


def test_progress_is_left_out_and_results_stay() -> None:
    """A line of progress is a count after what is being done; a result may end in a count as well."""
    shown = "deploying relay-acme: 3 of 4 (update complete)\nmembers: 12 of 12 (12 new)\nreading the log: 1 of 24 (hours)\n"
    results = "Open incidents: 1\nDeliveries since 2026-11-27 00:25 UTC: 5\nresources: 4 changed\n"
    assert page().plain(shown + results) == results.replace("2026-11-27 00:25", "YYYY-MM-DD hh:mm")


def test_a_shape_has_words_and_no_numbers() -> None:
    """Two runs that differ in counts and widths have one shape; another word is another shape."""
    assert shape("topic   accepted\n------  --\na  1,204") == shape("topic  accepted\n----  ---\na      7")
    assert shape("all 16 green") != shape("15 green, 1 bad")


def test_the_page() -> None:
    """A sentence, then the command with what it showed, and its exit code where that is not 0."""
    made = page()
    made.section("Install")
    made.say("It asks.")
    made.command("relay init", "done\n", 0)
    made.command("relay keys rotate", "waits\n", 3)
    assert made.text() == (
        "# A title\n\nA head.\n\n## Install\n\nIt asks.\n\n"
        "```\n$ relay init\ndone\n```\n\n```\n$ relay keys rotate\nwaits\n(exit code 3)\n```\n"
    )
