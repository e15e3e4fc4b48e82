"""Every CRM is kept equal to the programme: written in few calls, never an older state last, audited and filled."""
