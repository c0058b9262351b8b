"""The audit log: who read personal data, and who did what only administrators may. Entries are added, and never changed
or deleted; each is chained to the one before it by its hash, so that a change of any is found."""
