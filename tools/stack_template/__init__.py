"""Writes the parts of template.yaml that repeat for each topic and each CRM; a copy by hand would miss one of ten places."""
