"""Everything that needs an extra or a framework: notebooks, progress bars, OpenTelemetry, pytest."""
