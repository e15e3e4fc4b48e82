"""The oddities of one body, by name: clocks, dates, currencies, amounts, ids, missing and null fields, and its shape.

An event has one oddity of its body at most, so that a shrunk history shows one cause.
"""

from __future__ import annotations

from tests.judge import bodies, values
from tests.judge import shape_oddities as shape
from tests.judge import value_oddities as value
from tests.judge.history import HOUR
from tests.judge.one_body import Oddity
from tests.judge.privacy_oddities import erasure_elsewhere, erasure_retried, secret_keys

# What changes one body. Each is tried on the events in a random order until it finds one that it fits.
BODY: dict[str, Oddity] = {
    "clock_future": value.clock(lambda event, rng: values.iso(event.happened + HOUR)),
    "clock_1900": value.clock(lambda event, rng: "1900-01-01T00:00:00.000Z"),
    "clock_1970": value.clock(lambda event, rng: "1970-01-01T00:00:00.000Z"),
    "clock_offset": value.clock(value.with_offset),
    "clock_epoch_ms": value.clock(lambda event, rng: event.happened),
    "clock_epoch_s": value.clock(lambda event, rng: event.happened // 1000),
    "clock_lower_z": value.clock(lambda event, rng: values.iso(event.happened).lower()),
    "clock_local": value.clock(value.local),
    "clock_rfc2822": value.clock(value.rfc2822),
    "clock_unreadable": value.clock(lambda event, rng: "the day after"),
    "clock_missing": value.no_time,
    "trigger_impossible": value.bad_trigger,
    "date_1970": value.date_1970,
    "date_offset": value.date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01T00:00:00+10:00"),
    "date_moment": value.date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01T23:30:00.000Z"),
    "date_plain": value.date(bodies.SUCCEEDED, "newBillingDate", lambda rng: "2027-04-01"),
    "currency_jpy": value.currency("JPY", 9800),
    "currency_kwd": value.currency("KWD", 12.345),
    "currency_lower": value.currency("usd", 49),
    "currency_unknown": value.currency("DOLLARS", 49),
    "amount_text": value.currency("USD", "49.00"),
    "amount_dust": value.currency("USD", 0.1 + 0.2),
    "amount_unreadable": value.currency("USD", "1_000"),
    "amount_refund": value.date(bodies.SUCCEEDED, "amount", lambda rng: -49),
    "amount_zero": value.date(bodies.SUCCEEDED, "amount", lambda rng: 0),
    "charge_negative": value.negative_charge,
    "tier_number": value.tier_number,
    "balance_dust": value.dust,
    "id_float": value.member_id(float),
    "id_gid": value.member_id(lambda member: f"gid://shopify/Customer/{member}"),
    "id_float_text": value.member_id(lambda member: f"{member}.0"),
    "id_leading_zero": value.member_id(lambda member: f"00{member}"),
    "id_missing": value.member_id(lambda member: None),
    "field_missing": value.lacking(remove=True),
    "field_null": value.lacking(remove=False),
    "identity_null": value.null_identity,
    "erasure_written": value.erasure_written,
    "erasure_names_left": value.names_left,
    "trigger_spelt_right": shape.right_spelling,
    "fields_unknown": shape.more_fields,
    "topic_alias": shape.alias,
    "topic_unknown": shape.metadata(topic="customer.teleported"),
    "shop_other": shape.metadata(shopDomain="other-shop.myshopify.com"),
    "word_unknown": shape.open_word,
    "name_hostile": shape.hostile_name,
    "identity_disagrees": shape.other_person,
    "main_unreadable": shape.main_unreadable,
    "word_type": shape.unknown_type,
    "pair_broken": shape.pair_broken,
    "address_malformed": shape.malformed_address,
    "test_delivery": shape.metadata(test=True),
    "attempts_absurd": shape.attempts,
    "amount_other_digits": value.currency("USD", "\u0664\u0669"),
    "text_hostile": shape.hostile_text,
    "text_long": shape.long_texts,
    "address_vast": shape.vast_address,
    "body_deep": shape.deep,
    "items_bad": shape.bad_items,
    "shop_spelt": shape.shop_spelt,
    "delivery_id_hostile": shape.delivery_id,
    "payload_missing": shape.no_payload,
    "tier_other": shape.other_tier,
    "trial_over": shape.trial_over,
    "credit_expires": shape.credit_expires,
    "secret_keys": secret_keys,
    "erasure_elsewhere": erasure_elsewhere,
    "erasure_retried": erasure_retried,
}
# Times that the payload does not bring: a renewed time of triggering would then date the event anew.
WITHOUT_OWN_TIME = frozenset(
    {
        "clock_future",
        "clock_local",
        "clock_1900",
        "clock_1970",
        "clock_unreadable",
        "clock_missing",
        "trigger_impossible",
    }
)
NO_MEMBER = frozenset(
    {
        "id_missing",
        "topic_unknown",
        "shop_other",
        "not_json",
        "body_deep",
        "bytes_key_twice",
        "test_delivery",
        "payload_missing",
    }
)
