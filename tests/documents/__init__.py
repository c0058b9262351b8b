"""The documentation as tests read it: pages, the blocks of commands in them, and what running them prints.

README.md and the pages below docs/, but for the decisions in docs/adr, follow the convention in docs/README.md.
`python -m tests.documents PAGE …` runs pages against the Kith that is running on this machine and prints every answer.
"""
