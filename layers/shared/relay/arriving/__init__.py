"""An accepted webhook on its way: read, folded into its member's record, and told to whom it concerns."""
