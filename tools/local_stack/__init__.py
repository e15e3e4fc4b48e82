"""What `relay run` needs: a local AWS, the deployed template, a simulated platform, and the checks of a run."""
