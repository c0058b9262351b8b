from analytics.service import SERVICE
from kith.process import main

main(SERVICE)
