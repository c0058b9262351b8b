"""Sends recorded data through the public bulk API, with its original times or moved so that it ends at another one.

    make replay DATA=../shared/data SET=retail|b2b|desk|bank|saas|all [TENANT=name] [END=instant]

Each set is a company of its own. A set's file (`retail.py` and so on) maps rows to commands and says at its top how
each oddity of the data is decided; the summary repeats every decision with its count. External ids are made from the
data alone, so sending a set again changes nothing.
"""

SETS = ("retail", "b2b", "desk", "bank", "saas")
