"""`relay sim`: the command, and the names that its help lists."""
