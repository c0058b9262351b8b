"""Relationship health: a score of 0 to 100 from measures, each a curve over one input, weighted.

`score = sum(w_i * s_i) / sum(w_i)` over the measures present; coverage is the weight present over the weight in all.

Everything is computed for many customers at once, in columns, and is a function of their facts and an instant alone:
what is scored live, on a timer, of the past, or of a model that is only a draft, is the same code.
"""
