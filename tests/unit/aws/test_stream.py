"""The fake stream and its mapping: order within an item, tries, halves, and the end by age."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.support.aws.fake_aws import FakeAws
from tests.support.aws.stream import StreamMapping


def put(aws: FakeAws, key: str, n: int) -> None:
    aws.call("dynamodb", "PutItem", {"TableName": "t", "Item": {"pk": {"S": key}, "n": {"N": str(n)}}})


def test_records_of_an_item_stay_in_order_and_an_equal_write_is_none() -> None:
    """Each shard has its items' changes in the order of the writes; a write that changes nothing has no record."""
    aws = FakeAws()
    table = aws.dynamodb.table("t", "pk")
    for n in (1, 2, 2, 3):
        for key in "abcdef":
            put(aws, key, n)
    mapping = StreamMapping(table.stream, aws.clock)
    seen: dict[str, list[str]] = {}
    for shard in range(len(table.stream.shards)):
        event = mapping.poll(shard) or {"Records": []}
        for record in event["Records"]:
            image = record["dynamodb"]["NewImage"]
            seen.setdefault(image["pk"]["S"], []).append(image["n"]["N"])
        mapping.process_response(shard, event, {"batchItemFailures": []})
        assert mapping.poll(shard) is None
    assert seen == {key: ["1", "2", "3"] for key in "abcdef"}


def test_a_failing_batch_is_halved_and_given_up_by_age() -> None:
    """Eight, four, two, one; after a day the record's place goes to the queue, without its content, and the rest goes on."""
    aws = FakeAws()
    table = aws.dynamodb.table("t", "pk")
    table.stream.shards[:] = [[]]
    for n in range(8):
        put(aws, f"k{n}", n)
    dead = aws.sqs.queue("dead")
    mapping = StreamMapping(table.stream, aws.clock, on_failure=dead, oldest=timedelta(hours=20))
    sizes = []
    for _ in range(4):
        event = mapping.poll(0)
        assert event
        sizes.append(len(event["Records"]))
        mapping.process_response(0, event, None)
    assert sizes == [8, 4, 2, 1]
    aws.clock.advance(timedelta(hours=21))
    event = mapping.poll(0)
    assert event
    mapping.process_response(0, event, None)
    (letter,) = dead.messages
    assert json.loads(letter.body)["DDBStreamBatchInfo"]["batchSize"] == 1
    assert "k0" not in letter.body
    following = mapping.poll(0)
    assert following
    assert len(following["Records"]) == 7


def test_a_partial_answer_keeps_what_came_before_it() -> None:
    """The function names the first record that failed; those before it are done."""
    aws = FakeAws()
    table = aws.dynamodb.table("t", "pk")
    table.stream.shards[:] = [[]]
    for n in range(4):
        put(aws, f"k{n}", n)
    mapping = StreamMapping(table.stream, aws.clock)
    event = mapping.poll(0)
    assert event
    failed = event["Records"][2]["dynamodb"]["SequenceNumber"]
    mapping.process_response(0, event, {"batchItemFailures": [{"itemIdentifier": failed}]})
    again = mapping.poll(0)
    assert again
    assert again["Records"][0]["dynamodb"]["SequenceNumber"] == failed


def test_a_queue_gives_a_message_up_after_its_receives() -> None:
    """Twenty receives, then the dead-letter queue has it, with the age that it had."""
    aws = FakeAws()
    dead = aws.sqs.queue("dead")
    queue = aws.sqs.queue("q", dead_letters=dead, max_receives=3)
    queue.put("b", {})
    sent = queue.messages[0].sent_at
    for _ in range(3):
        assert queue.poll()
        aws.clock.advance(timedelta(hours=1))
    assert queue.poll() is None
    assert [message.sent_at for message in dead.messages] == [sent]


def test_what_grows_old_is_deleted_silently() -> None:
    """Four days in the queue, and no error says so."""
    aws = FakeAws()
    queue = aws.sqs.queue("q")
    queue.put("b", {})
    aws.clock.advance(timedelta(days=4, seconds=1))
    assert queue.poll() is None
    assert queue.messages == []
