"""Telling people about incidents, once for each level and outcome, over every configured channel."""
