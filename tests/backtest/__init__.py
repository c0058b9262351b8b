"""The backtest that docs/health.md shows: of the recorded retail data, by three models.

    .venv/bin/python -m tests.backtest

folds the invoices into a database of its own, runs the backtests, and writes docs/health/retail.json, the plots beside
it and the generated parts of docs/health.md. Tests hold all of these to what the services make of the same data.
"""
