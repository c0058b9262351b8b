"""How each kind of measure is computed: one module a kind, with the same two functions.

`cells` answers what the measures come to, per period and group, all measures of the kind in one pass. `members` answers
what is behind a formula of such measures: who or what, with how much, and by which event.
"""
