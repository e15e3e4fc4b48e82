"""How the SDK's property tests run: the same examples each time, none of them stored, no stopwatch."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "sdk",
    deadline=None,  # a busy machine is no bug
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # the first example builds Unicode tables
)
settings.load_profile("sdk")
