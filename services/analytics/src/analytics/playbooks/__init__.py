"""Playbooks: what is to be done for a customer when something happens to the relationship, and whether it helped."""
