"""What is asked of the platform: reading a doubtful member again, and giving credits once."""
