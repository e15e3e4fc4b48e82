"""Which adapter stands behind which port, from the environment, on first use.

Nothing here runs at import. A setting that is missing is named by the error that says so.
"""
