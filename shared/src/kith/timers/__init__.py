"""Durable timers: commands that a record is given by itself when an instant comes."""
