"""Relationship health: a score of 0 to 100 from measures, each a curve over one input, weighted.

`score = sum(w_i * s_i) / sum(w_i)` over the measures present; coverage is the weight present over the total weight.

Everything is computed for many customers at once, in columns, and is a pure function of their facts and an instant:
live scores, timers, scores of the past and scores of a draft are computed by the same code.
"""
