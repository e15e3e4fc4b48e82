"""Everything that is due at a time: reminders, the daily digest, conditions, audits."""
