"""The kinds of measures: one module each, all in the form that metrics.kinds.kind declares."""
