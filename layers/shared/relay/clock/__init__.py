"""What comes due by itself: the daily round, reminders, the digest, spikes and silence."""
