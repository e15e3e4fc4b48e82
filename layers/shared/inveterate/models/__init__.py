"""What the platform keeps, typed: one class for each thing it documents, tolerant of what it does not."""
