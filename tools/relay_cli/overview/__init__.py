"""The parts of `relay status`: what comes in, what waits, what is open, and how far the CRMs are."""
