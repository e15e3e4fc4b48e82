"""Records of the platform: one class for each documented kind, tolerant of everything undocumented."""
