"""Writes the parts of template.yaml that repeat for each topic and each CRM, so that nobody copies them by hand."""
