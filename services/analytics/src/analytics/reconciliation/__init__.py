"""Reconciliation: what the services hold, against what analytics has counted. Worked out here from the records alone,
plainly, sharing nothing with what it checks but the published language."""
